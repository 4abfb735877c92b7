"""Makes the files iris.onnx, iris-tensor.onnx and iris.json of these tests: a small random forest as
skl2onnx exports it by default; the same with its probabilities as a tensor in place of maps; and the
probabilities that scikit-learn itself gives every fifth flower of the iris data:
python iris.py FOLDER, with scikit-learn 1.9.1 and skl2onnx 1.20.0."""
import json, pathlib, sys
import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

out = pathlib.Path(sys.argv[1])
x, y = load_iris(return_X_y=True)
x = x.astype(np.float32)
forest = RandomForestClassifier(10, max_depth=4, random_state=1).fit(x, y)
(out / "iris.onnx").write_bytes(to_onnx(forest, x[:1]).SerializeToString())
tensor = to_onnx(forest, x[:1], options={"zipmap": False})
(out / "iris-tensor.onnx").write_bytes(tensor.SerializeToString())
rows = x[::5]
known = {"X": rows.tolist(), "Probabilities": forest.predict_proba(rows).tolist()}
(out / "iris.json").write_text(json.dumps(known) + "\n")
