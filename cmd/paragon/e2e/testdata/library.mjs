// Runs a model with ONNX Runtime's own binding for Node: node library.mjs < request > answer.
// The request is JSON: the model's file (base64), the names of the outputs, and the inputs of
// each run; the answer has the outputs of each run. A tensor is a name, a datatype by the Open
// Inference Protocol, a shape and little-endian bytes (base64), with each string behind its
// length in four bytes. Without names, inputs and outputs are those of the model in its order.
import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";

const types = {
  BOOL: ["bool", Uint8Array], UINT8: ["uint8", Uint8Array], INT32: ["int32", Int32Array], INT64: ["int64", BigInt64Array],
  FP16: ["float16", globalThis.Float16Array ?? Uint16Array], FP32: ["float32", Float32Array], FP64: ["float64", Float64Array],
};
const datatypes = Object.fromEntries(Object.entries(types).map(([datatype, [type]]) => [type, datatype]));

function strings(bytes) {
  const out = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    out.push(bytes.toString("utf8", at + 4, at + 4 + length));
    at += 4 + length;
  }
  return out;
}

function decode({ datatype, shape, data }) {
  const bytes = Buffer.from(data, "base64");
  if (datatype === "BYTES") return new ort.Tensor("string", strings(bytes), shape);
  const [type, List] = types[datatype];
  return new ort.Tensor(type, new List(Uint8Array.from(bytes).buffer), shape);
}

function encode(name, { type, dims, data }) {
  const bytes = type !== "string" ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.concat(data.flatMap((text) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(Buffer.byteLength(text));
        return [length, Buffer.from(text)];
      }));
  return { name, datatype: type === "string" ? "BYTES" : datatypes[type], shape: dims, data: bytes.toString("base64") };
}

const { model, outputs, runs } = JSON.parse(readFileSync(0, "utf8"));
const session = await ort.InferenceSession.create(Buffer.from(model, "base64"), { intraOpNumThreads: 1, interOpNumThreads: 1 });
const answers = [];
for (const inputs of runs) {
  const names = outputs ?? session.outputNames;
  const got = await session.run(Object.fromEntries(inputs.map((t, i) => [t.name || session.inputNames[i], decode(t)])), names);
  answers.push(names.map((name) => encode(name, got[name])));
}
process.stdout.write(JSON.stringify(answers));
