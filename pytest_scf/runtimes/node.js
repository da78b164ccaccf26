"use strict";

// The Node.js runtime: loads the handler, calls it once per event, and reports what came of it.
//
// Started as a program, with the descriptor of its socket as the argument; the spec of the instance is the first frame.
// The frames are those of wire.py. Nothing but Node.js itself is needed, of version 15 or later. Facts of the cloud:
// docs/cloud-contract.md#nodejs.

const fs = require("fs");
const { createRequire } = require("module");
const net = require("net");
const path = require("path");
const { Writable } = require("stream");
const { pathToFileURL, fileURLToPath } = require("url");
const util = require("util");

require("./cos.js");

const INVOKE = 1;
const PING = 2;
const READY = 16;
const RETURNED = 17;
const RAISED = 18;
const LOAD_FAILED = 19;
const TOO_LARGE = 20;
const SIGNAL_HANDLER = 21;
const PONG = 23;
const UNCAUGHT = 27;

const HEADER_LENGTH = 5;
const MEASURE_LENGTH = 12;
const REQUEST_ID_LENGTH = 36;
const RESPONSE_LIMIT = 6 * 1024 * 1024;

// The user's code may replace any of these.
const exit = process.exit.bind(process);
const now = process.hrtime.bigint;
const encode = JSON.stringify;
const immediately = setImmediate;

const socket = new net.Socket({ fd: Number(process.argv[2]), readable: true, writable: true });

function send(kind, ...parts) {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt32LE(parts.reduce((total, part) => total + part.length, 0), 0);
  header.writeUInt8(kind, 4);
  // In one piece, and at once where the socket has room: the code that runs next may block for ever.
  socket.write(Buffer.concat([header, ...parts]));
}

function measure(began) {
  const packed = Buffer.alloc(MEASURE_LENGTH);
  packed.writeDoubleLE(Number(now() - began) / 1e9, 0);
  packed.writeUInt32LE(process.resourceUsage().maxRSS, 8);
  return packed;
}

// -- what the process writes ----------------------------------------------------------------------------------------

// Node.js queues what a pipe has no room for at the moment, so that it is late, and is lost when the process is killed.
function writeThrough(fd) {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const stream = new Writable({
    write(chunk, encoding, done) {
      for (let written = 0; written < chunk.length; ) {
        try {
          written += fs.writeSync(fd, chunk, written);
        } catch (error) {
          if (error.code === "EPIPE") break;
          if (error.code !== "EAGAIN") return done(error);
          Atomics.wait(sleeper, 0, 0, 1); // a child process has made the pipe non-blocking
        }
      }
      return done();
    },
    destroy(error, done) {
      done(error); // the descriptor stays open: the console goes on writing
    },
  });
  stream.fd = fd;
  stream._type = "pipe";
  return stream;
}

for (const [name, fd] of [["stdout", 1], ["stderr", 2]]) {
  const stream = writeThrough(fd);
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
}

// -- signal handlers ------------------------------------------------------------------------------------------------

// Node.js catches SIGTERM from the start, to leave the terminal as it was; one listener, come and gone, ends that. Now
// the kernel's signal mask tells whether the user's code catches it.
const nothing = () => {};
process.on("SIGTERM", nothing);
process.removeListener("SIGTERM", nothing);

process.on("newListener", (name, listener) => {
  if (name === "SIGTERM") tellSignalHandler("caught", listener.listener || listener);
});
process.on("removeListener", (name, listener) => {
  if (name === "SIGTERM" && process.listenerCount("SIGTERM") === 0) tellSignalHandler("default", listener);
});

function tellSignalHandler(disposition, listener) {
  const [file, line] = userFrame();
  const name = listener.name || "an anonymous function";
  send(SIGNAL_HANDLER, Buffer.from(encode({ disposition, name, file, line })));
}

// The place in the user's code from which the current function was called.
function userFrame() {
  const { prepareStackTrace, stackTraceLimit } = Error;
  let frames;
  try {
    Error.prepareStackTrace = (error, found) => found;
    Error.stackTraceLimit = 50;
    frames = new Error().stack;
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
  for (const frame of Array.isArray(frames) ? frames : []) {
    const file = String(frame.getFileName());
    if (file.startsWith("file://")) return [fileURLToPath(file), frame.getLineNumber()];
    if (path.isAbsolute(file) && file !== __filename) return [file, frame.getLineNumber()];
  }
  return ["", 0];
}

// -- failures -------------------------------------------------------------------------------------------------------

class HandlerMissing extends Error {}

function facts(error, more) {
  const isError = util.types.isNativeError(error) || error instanceof Error;
  let message = isError ? String(error.message) : typeof error === "string" ? error : util.inspect(error);
  let stack = "";
  if (error instanceof HandlerMissing) {
    message = error.message;
  } else if (isError) {
    const lines = String(error.stack).split("\n");
    const ours = lines.findIndex((line) => line.includes(__filename));
    const users = ours === -1 ? lines : lines.slice(0, ours);
    stack = users.filter((line) => !/^ +at .*\(?node:internal\//.test(line)).join("\n");
  }
  const type = isError ? String(error.name) : "Error";
  return Buffer.from(encode({ type, message, stack, ...more }));
}

// Sent before Node.js ends the process, unless the user's code prevents that.
process.on("uncaughtExceptionMonitor", (error, origin) => {
  if (process.listenerCount("uncaughtException") || process.hasUncaughtExceptionCaptureCallback()) return;
  if (!socket.writableLength) send(UNCAUGHT, facts(error, { origin }));
});

// -- the handler ----------------------------------------------------------------------------------------------------

function moduleFile(codeRoot, name) {
  const base = path.join(codeRoot, name);
  const candidates = [".js", ".cjs", ".mjs"].map((suffix) => base + suffix).concat(path.join(base, "index.js"));
  const found = candidates.find((file) => fs.existsSync(file) && fs.statSync(file).isFile());
  if (found === undefined) throw new HandlerMissing(`Cannot find module '${name}': there is no ${candidates[0]}`);
  return found;
}

async function loadModule(file) {
  try {
    if (!file.endsWith(".mjs")) {
      try {
        return createRequire(file)(file);
      } catch (error) {
        if (error === null || typeof error !== "object" || error.code !== "ERR_REQUIRE_ESM") throw error;
      }
    }
    return await import(pathToFileURL(file));
  } catch (error) {
    // The stack of code that does not compile begins with its place; that of an error raised while it ran does not.
    if (error instanceof SyntaxError && /^(file:\/\/)?\/[^\n]*:\d+\n/.test(error.stack)) {
      const place = error.stack.slice(0, error.stack.indexOf("\n"));
      throw new HandlerMissing(`${place} cannot be compiled: ${error.message}`);
    }
    throw error;
  }
}

async function loadHandler(handler, codeRoot) {
  const dot = handler.lastIndexOf(".");
  const name = handler.slice(dot + 1);
  const file = moduleFile(codeRoot, handler.slice(0, dot));
  process.argv = [process.execPath, file];
  process.chdir(path.dirname(file));
  const loaded = await loadModule(file);
  const inside = loaded && loaded.default; // what a CommonJS module exports, seen as an ES module
  for (const from of [loaded, inside]) {
    if (from !== null && from !== undefined && from[name] !== undefined) {
      if (typeof from[name] === "function") return from[name].bind(from);
      throw new HandlerMissing(`'${name}' in ${file} is not a function`);
    }
  }
  // module.exports = (event, context) => ...
  for (const from of [loaded, inside]) if (typeof from === "function") return from;
  throw new HandlerMissing(`'exports' of ${file} has no function '${name}'`);
}

// The runtimes that have done, succeed and fail, which answer at once: as in the vendor's bootstraps of these (scfcli).
const WITH_DONE = ["Nodejs6.10", "Nodejs8.9"];

function newContext(given, requestId, began, callback) {
  const limit = Number(given.time_limit_in_ms);
  const context = {
    getRemainingTimeInMillis: () => Math.max(0, Math.round(limit - Number(now() - began) / 1e6)),
    ...given,
    request_id: requestId,
  };
  const waits = spec.options.node_callback_waits;
  Object.defineProperty(context, "callbackWaitsForEmptyEventLoop", { value: waits, writable: true });
  if (WITH_DONE.includes(spec.environ.SCF_RUNTIME)) {
    context.done = (error, value) => {
      context.callbackWaitsForEmptyEventLoop = false;
      callback(error, value);
    };
    context.succeed = (value) => context.done(null, value);
    context.fail = (error) => context.done(error === null || error === undefined ? new Error(String(error)) : error);
  }
  return context;
}

// Called when the event loop is empty, which happens only while the socket is unreferenced.
let whenEmpty = null;

process.on("beforeExit", () => {
  const done = whenEmpty;
  if (done !== null) {
    whenEmpty = null;
    done();
  }
});

function answer(requestId, event, handler, given) {
  const began = now();
  let answered = false;

  const finish = (kind, body) => {
    if (answered) return;
    answered = true;
    whenEmpty = null;
    socket.ref();
    send(kind, measure(began), body);
  };
  const fail = (error) => finish(RAISED, facts(error));
  const succeed = (value) => {
    let body;
    try {
      body = Buffer.from(encode(value) || "null");
    } catch (error) {
      return fail(error);
    }
    if (body.length > RESPONSE_LIMIT) return finish(TOO_LARGE, Buffer.from(String(body.length)));
    return finish(RETURNED, body);
  };

  let outcome = null;
  const callback = (error, value) => {
    if (outcome !== null) return;
    outcome = error === null || error === undefined ? () => succeed(value) : () => fail(error);
    if (!context.callbackWaitsForEmptyEventLoop && returned && !promised) outcome();
  };
  const context = newContext(given, requestId, began, callback);
  let returned = false;
  let promised = false;
  let value;
  try {
    value = handler(JSON.parse(event), context, callback);
  } catch (error) {
    fail(error);
    return;
  }
  returned = true;
  if (value !== null && typeof value === "object" && typeof value.then === "function") {
    promised = true;
    Promise.resolve(value).then(succeed, fail);
    return;
  }
  if (outcome !== null && !context.callbackWaitsForEmptyEventLoop) {
    outcome();
    return;
  }
  whenEmpty = () => (outcome === null ? succeed(null) : outcome());
  socket.unref();
}

// -- serving --------------------------------------------------------------------------------------------------------

let spec = null;
let handler = null;

async function start() {
  const began = now();
  try {
    handler = await loadHandler(spec.handler, spec.code_root);
    send(READY, measure(began));
  } catch (error) {
    const reason = error instanceof HandlerMissing ? "handler" : "code";
    send(LOAD_FAILED, measure(began), facts(error, { reason }));
  }
}

function take(kind, payload) {
  if (spec === null) {
    spec = JSON.parse(payload);
    start();
  } else if (kind === INVOKE) {
    const requestId = payload.toString("latin1", 0, REQUEST_ID_LENGTH);
    answer(requestId, payload.toString("utf8", REQUEST_ID_LENGTH), handler, spec.context);
  } else if (kind === PING) {
    // A signal that came before is taken from its own pipe last in each turn of the loop.
    immediately(() => immediately(() => send(PONG)));
  }
}

let pieces = [];
let length = 0;
let needed = HEADER_LENGTH; // bytes to wait for before parsing: a large event comes in many pieces

socket.on("data", (data) => {
  pieces.push(data);
  length += data.length;
  while (length >= needed) {
    const received = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    const end = HEADER_LENGTH + received.readUInt32LE(0);
    const whole = length >= end;
    const rest = whole ? received.subarray(end) : received;
    pieces = [rest];
    length = rest.length;
    needed = whole ? HEADER_LENGTH : end;
    if (whole) take(received.readUInt8(4), received.subarray(HEADER_LENGTH, end));
  }
});
socket.on("end", () => exit(0));
socket.on("error", () => exit(0)); // the platform is gone
