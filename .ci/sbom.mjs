// Adds ONNX Runtime's library, which is packed with a binary and loaded by it, to the SBOM
// (CycloneDX) on the standard input: node sbom.mjs LIBRARY <binary.cdx.json
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const { name, version, license } = JSON.parse(readFileSync("node_modules/onnxruntime-node/package.json", "utf8"));
const bom = JSON.parse(readFileSync(0, "utf8"));
const purl = `pkg:npm/${name}@${version}`;
bom.components.push({
  "bom-ref": purl, type: "library", name, version, purl,
  hashes: [{ alg: "SHA-256", content: createHash("sha256").update(readFileSync(process.argv[2])).digest("hex") }],
  licenses: [{ license: { id: license } }],
});
console.log(JSON.stringify(bom, null, 2));
