// Runs a program of WASI preview 1 under node: `node tests/wasi.mjs PROGRAM.wasm ARGUMENTS`. It sees the files of this checkout.
import { readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { WASI } from "node:wasi";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const program = process.argv[2];
const wasi = new WASI({
    version: "preview1",
    args: process.argv.slice(2),
    env: process.env,
    preopens: { [root]: root },
    returnOnExit: true,
});
const module = await WebAssembly.compile(await readFile(program));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exit(wasi.start(instance));
