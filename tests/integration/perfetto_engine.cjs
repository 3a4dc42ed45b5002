// node perfetto_engine.cjs FOLDER < requests > replies: the trace processor of Perfetto's web page, without a browser.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = process.argv[2];
const requests = new Uint8Array(fs.readFileSync(0));
const replies = [];
const file = (address) => fs.readFileSync(path.join(folder, path.basename(String(address))));

// The engine is made for a browser's worker, and looks whether it is in one.
process.type = "renderer";
globalThis.WorkerGlobalScope = class {};
globalThis.self = globalThis;
globalThis.importScripts = () => {};
globalThis.location = { href: "http://localhost/engine_bundle.js" };
globalThis.XMLHttpRequest = class {
  open(_, address) {
    this.address = address;
  }
  send() {
    this.response = new Uint8Array(file(this.address)).buffer;
  }
};
globalThis.fetch = async (address) => new Response(file(address), { headers: { "content-type": "application/wasm" } });
console.log = console.warn = console.error = (...words) => process.stderr.write(`${words.join(" ")}\n`);

vm.runInThisContext(file("engine_bundle.js").toString(), { filename: "engine_bundle.js" });
const port = { onmessage: null, postMessage: (data) => replies.push(Buffer.from(data)) };
globalThis.onmessage({ data: port });

// It does not say when it is ready: until then a request fails.
async function ask(left) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  try {
    port.onmessage({ data: requests });
  } catch (error) {
    if (left > 0 && replies.length === 0 && !String(error).includes("crashed")) return ask(left - 1);
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  }
  process.stdout.write(Buffer.concat(replies), () => process.exit(0));
}
ask(400);
