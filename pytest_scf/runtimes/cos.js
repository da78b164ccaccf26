"use strict";

// The official SDK of COS for Node.js (cos-nodejs-sdk-v5) inside of a function: what it sends to a host of COS is taken
// to the buckets of the runtime, at PYTEST_SCF_COS_ENDPOINT (host and port). The code stays as it is.
//
// Loaded before the user's code, by the Node.js runtime or a server's NODE_OPTIONS.

const Module = require("module");

const place = process.env.PYTEST_SCF_COS_ENDPOINT;
const SDK = /[\\/]cos-nodejs-sdk-v5[\\/]sdk[\\/]cos\.js$/;
const SENDING = /[\\/]cos-nodejs-sdk-v5[\\/]sdk[\\/]base\.js$/;
const COS_HOST = /\.(myqcloud\.com|tencentcos\.cn)$/;

function redirect(options) {
  const url = new URL(options.url);
  if (!COS_HOST.test(url.hostname)) {
    return;
  }
  // Without "close" the connection would be kept beyond the end of what is asked.
  options.headers = { ...options.headers, Host: url.host, Connection: "close" };
  options.url = options.url.replace(/^https?:\/\/[^/?#]+/, `http://${place}`);
  options.forever = false;
  options.proxy = null;
}

function changed(COS) {
  return new Proxy(COS, {
    construct(target, given, made_for) {
      const client = Reflect.construct(target, given, made_for);
      client.on("before-send", redirect);
      return client;
    },
  });
}

// Versions of before 2018 have no event "before-send": what they send with is given to them changed.
function changeSender(module) {
  const own = module.require;
  module.require = function (name) {
    const found = own.call(module, name);
    if (name !== "request") {
      return found;
    }
    return (options, ...rest) => {
      redirect(options);
      return found(options, ...rest);
    };
  };
}

if (place) {
  const load = Module._extensions[".js"];
  Module._extensions[".js"] = function (module, filename) {
    if (SENDING.test(filename)) {
      changeSender(module);
    }
    load(module, filename);
    if (SDK.test(filename) && typeof module.exports === "function") {
      module.exports = changed(module.exports);
    }
  };
}
