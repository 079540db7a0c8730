// Both transports and grpc-js: their clients call our server, ours call theirs.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, describe, test } from 'node:test';

import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const TRANSPORTS = ['h2', 'core'];
const MODES = ['tcp', 'unix', 'tls', 'mtls'];
const DEADLINE_MS = 60000;
const LIMIT = 4 << 20; // of echo_server

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flow-echo-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
const certificates = path.join(folder, 'ca');
execFileSync('deploy/dev-ca', [certificates]);

const definition = loader.loadSync('tests/support/echo.proto', { keepCase: true, defaults: true, longs: Number });
const { EchoService } = grpc.loadPackageDefinition(definition).flowbalancer.test;

const pathOf = (name) => path.join(certificates, name);
const read = (name) => fs.readFileSync(pathOf(name));
const program = (name) => path.join(process.env.FB_BIN, name);
const soon = (ms = DEADLINE_MS) => ({ deadline: Date.now() + ms });

function addressFor(mode) {
  return mode === 'unix' ? `unix:${fs.mkdtempSync(path.join(folder, 's-'))}/s` : '127.0.0.1:0';
}

// --- our server, their client ---

class OurServer {
  static async start(transport, mode) {
    const it = new OurServer();
    const words = ['--transport', transport, '--address', addressFor(mode)];
    if (mode === 'tls' || mode === 'mtls') {
      words.push('--cert', pathOf('server.pem'), '--key', pathOf('server.key'));
    }
    if (mode === 'mtls') {
      words.push('--ca', pathOf('ca.pem'), '--mutual');
    }
    it.process = spawn(program('echo_server'), words, { stdio: ['pipe', 'pipe', 'inherit'] });
    it.lines = readline.createInterface({ input: it.process.stdout });
    [it.address] = await once(it.lines, 'line');
    return it;
  }

  // When the next handler is told to stop.
  async cancelled() {
    const [line] = await once(this.lines, 'line');
    assert.equal(line, 'cancelled');
  }

  async stop() {
    const gone = once(this.process, 'exit');
    this.process.stdin.end();
    const [code] = await gone;
    assert.equal(code, 0);
  }
}

function credentialsFor(mode, withClient = true) {
  if (mode === 'tcp' || mode === 'unix') {
    return grpc.credentials.createInsecure();
  }
  return mode === 'mtls' && withClient
    ? grpc.credentials.createSsl(read('ca.pem'), read('dev.key'), read('dev.pem'))
    : grpc.credentials.createSsl(read('ca.pem'));
}

function clientOf(address, mode, options = {}, withClient = true) {
  return new EchoService(address, credentialsFor(mode, withClient), {
    'grpc.max_receive_message_length': 64 << 20,
    ...options,
  });
}

// { answer, error, header, trailer }, for all methods with one answer.
function ask(client, request, { metadata = new grpc.Metadata(), options = soon() } = {}) {
  return new Promise((resolve) => {
    const all = {};
    const call = client.Unary(request, metadata, options, (error, answer) => {
      all.error = error;
      all.answer = answer;
    });
    call.on('metadata', (header) => {
      all.header = header;
    });
    call.on('status', (status) => {
      all.trailer = status.metadata;
      setImmediate(resolve, all);
    });
  });
}

async function listen(stream) {
  const answers = [];
  let status;
  stream.on('data', (answer) => answers.push(answer));
  stream.on('error', () => {});
  await new Promise((resolve) => {
    stream.on('status', (came) => {
      status = came;
    });
    stream.on('close', resolve);
    stream.on('end', resolve);
    stream.on('error', resolve);
  });
  return { answers, status };
}

function theirClient(transport, mode) {
  describe(`grpc-js calls the ${transport} server, ${mode}`, { timeout: 2 * DEADLINE_MS }, () => {
    let server;
    let client;

    before(async () => {
      server = await OurServer.start(transport, mode);
      client = clientOf(server.address, mode);
    });
    after(async () => {
      client.close();
      await server.stop();
    });

    test('payloads of every size come back', async () => {
      for (const size of [0, 1, 5, 16379, 16384, 65535, 65536, 1 << 20, 4000000]) {
        const { error, answer } = await ask(client, { payload: Buffer.alloc(size, 'z') });
        assert.ifError(error);
        assert.equal(answer.payload.length, size);
      }
    });

    test('gzip is taken in', async () => {
      const gzip = clientOf(server.address, mode, { 'grpc.default_compression_algorithm': 2 });
      const { error, answer } = await ask(gzip, { payload: Buffer.alloc(1000000, 'compressible ') });
      gzip.close();
      assert.ifError(error);
      assert.equal(answer.payload.length, 1000000);
    });

    test('a server streams in order', async () => {
      const { answers } = await listen(client.Expand({ repeat: 2000, answer_bytes: 3000 }, soon()));
      assert.deepEqual(answers.map((answer) => answer.index), [...Array(2000).keys()]);
    });

    test('a client streams', async () => {
      const answer = await new Promise((resolve, reject) => {
        const call = client.Collect(soon(), (error, came) => (error ? reject(error) : resolve(came)));
        for (let i = 0; i < 1000; i++) {
          call.write({ payload: Buffer.alloc(1000) });
        }
        call.end();
      });
      assert.equal(answer.index, 1000);
      assert.equal(answer.bytes, 1000000);
    });

    test('both stream', async () => {
      const call = client.Chat(soon());
      for (let i = 0; i < 500; i++) {
        call.write({ payload: Buffer.alloc(5000) });
      }
      call.end();
      const { answers } = await listen(call);
      assert.deepEqual(answers.map((answer) => answer.index), [...Array(500).keys()]);
    });

    test('many at once get their own answers', async () => {
      const all = await Promise.all([...Array(300).keys()].map((i) => ask(client, { payload: Buffer.from(`${i}`) })));
      all.forEach(({ error, answer }, i) => {
        assert.ifError(error);
        assert.equal(answer.payload.toString(), `${i}`);
      });
    });

    test('codes and messages arrive as they are', async () => {
      for (let code = 1; code <= 16; code++) {
        for (const message of ['as asked', '100% é ☃ 😀\n\t']) {
          const { error } = await ask(client, { code, message });
          assert.equal(error.code, code);
          assert.equal(error.details, message);
        }
      }
    });

    test('an error follows the messages sent before it', async () => {
      const { answers, status } = await listen(client.Expand({ repeat: 3, code: 15 }, soon()));
      assert.equal(answers.length, 3);
      assert.equal(status.code, grpc.status.DATA_LOSS);
    });

    test('metadata travels both ways', async () => {
      const metadata = new grpc.Metadata();
      metadata.add('echo-plain', 'plain ~ text');
      metadata.add('echo-any-bin', Buffer.from([...Array(256).keys()]));
      const { error, header, trailer } = await ask(client, {}, { metadata });
      assert.ifError(error);
      for (const back of [header, trailer]) {
        assert.deepEqual(back.get('echo-plain'), ['plain ~ text']);
        assert.deepEqual(back.get('echo-any-bin'), [Buffer.from([...Array(256).keys()])]);
      }
    });

    test('an answer without messages has its trailers', async () => {
      const metadata = new grpc.Metadata();
      metadata.add('echo-plain', 'there');
      const { error } = await ask(client, { code: 5 }, { metadata });
      assert.equal(error.code, grpc.status.NOT_FOUND);
      assert.deepEqual(error.metadata.get('echo-plain'), ['there']);
    });

    test('a deadline is kept on both sides', async () => {
      const told = server.cancelled();
      const { error } = await ask(client, { hold: true }, { options: soon(300) });
      assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED);
      await told;
    });

    test('a cancel reaches the handler', async () => {
      const told = server.cancelled();
      const call = client.Expand({ hold: true, repeat: 1 }, soon());
      call.on('error', () => {});
      await once(call, 'data');
      call.cancel();
      await told;
    });

    test('an unknown method is unimplemented', async () => {
      const error = await new Promise((resolve) => {
        client.makeUnaryRequest('/flowbalancer.test.EchoService/Nothing', (x) => x, (x) => x, Buffer.alloc(0),
          new grpc.Metadata(), soon(), resolve);
      });
      assert.equal(error.code, grpc.status.UNIMPLEMENTED);
    });

    test('bytes that are no message are refused', async () => {
      const error = await new Promise((resolve) => {
        client.makeUnaryRequest('/flowbalancer.test.EchoService/Unary', (x) => x, (x) => x,
          Buffer.from([0x0a, 0xff, 0xff]), new grpc.Metadata(), soon(), resolve);
      });
      assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
      assert.match(error.details, /payload/);
    });

    test('a message beyond the limit is refused', async () => {
      const { error } = await ask(client, { payload: Buffer.alloc(LIMIT + 1) });
      assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
      assert.ifError((await ask(client, {})).error);
    });

    test('who calls is known', async () => {
      const { answer } = await ask(client, {});
      assert.equal(answer.subject, mode === 'mtls' ? 'dev' : '');
    });

    test('mutual TLS refuses who has no certificate', { skip: mode !== 'mtls' }, async () => {
      const stranger = clientOf(server.address, mode, {}, false);
      const { error } = await ask(stranger, {});
      stranger.close();
      assert.equal(error.code, grpc.status.UNAVAILABLE);
    });
  });
}

// --- their server, our client ---

function begin(call) {
  const back = new grpc.Metadata();
  for (const key of Object.keys(call.metadata.getMap())) {
    if (key.startsWith('echo-')) {
      call.metadata.get(key).forEach((value) => back.add(key, value));
    }
  }
  call.sendMetadata(back);
  return back;
}

const payloadOf = (request) =>
  request.answer_bytes > 0 ? Buffer.alloc(request.answer_bytes, 'x') : request.payload;

const service = {
  Unary(call, reply) {
    const back = begin(call);
    const { code, message, hold } = call.request;
    if (hold) {
      return; // until it is cancelled
    }
    if (code !== 0) {
      reply({ code, details: message, metadata: back });
      return;
    }
    reply(null, { payload: payloadOf(call.request) }, back);
  },

  async Expand(call) {
    const back = begin(call);
    const { code, message, hold, repeat } = call.request;
    const payload = payloadOf(call.request);
    let over = () => {};
    call.on('cancelled', () => over());
    for (let index = 0; index < repeat && !call.cancelled; index++) {
      if (!call.write({ payload, index })) {
        await new Promise((resolve) => {
          over = resolve;
          call.once('drain', resolve);
        });
      }
    }
    if (hold) {
      return;
    }
    if (code !== 0) {
      call.emit('error', { code, details: message, metadata: back });
    } else {
      call.end(back);
    }
  },

  Collect(call, reply) {
    const back = begin(call);
    let index = 0;
    let bytes = 0;
    call.on('data', (request) => {
      index += 1;
      bytes += request.payload.length;
    });
    call.on('end', () => reply(null, { index, bytes }, back));
  },

  Chat(call) {
    begin(call);
    let index = 0;
    call.on('data', (request) => {
      call.write({ payload: request.payload, index });
      index += 1;
    });
    call.on('end', () => call.end());
  },
};

async function startServer(mode, options) {
  const server = new grpc.Server({
    'grpc.max_receive_message_length': 64 << 20,
    'grpc.max_send_message_length': 64 << 20,
    ...options,
  });
  server.addService(EchoService.service, service);
  const credentials = mode === 'tls' || mode === 'mtls'
    ? grpc.ServerCredentials.createSsl(read('ca.pem'),
      [{ private_key: read('server.key'), cert_chain: read('server.pem') }], mode === 'mtls')
    : grpc.ServerCredentials.createInsecure();
  const address = addressFor(mode);
  const port = await new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { server, address: mode === 'unix' ? address : `127.0.0.1:${port}` };
}

async function askAll(transport, mode, address) {
  const words = ['--transport', transport, '--address', address];
  if (mode === 'tls' || mode === 'mtls') {
    words.push('--ca', pathOf('ca.pem'), '--name', 'localhost');
  }
  if (mode === 'mtls') {
    words.push('--cert', pathOf('dev.pem'), '--key', pathOf('dev.key'));
  }
  const client = spawn(program('echo_client'), words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  client.stdout.on('data', (bytes) => {
    said += bytes;
  });
  const [code] = await once(client, 'close');
  return { code, said };
}

function ourClient(transport, mode) {
  describe(`the ${transport} client calls grpc-js, ${mode}`, { timeout: 2 * DEADLINE_MS }, () => {
    for (const [name, options] of [
      ['all that a client may ask is answered', {}],
      ['answers in gzip are read', { 'grpc.default_compression_algorithm': 2 }],
    ]) {
      test(name, async () => {
        const { server, address } = await startServer(mode, options);
        const { code, said } = await askAll(transport, mode, address);
        server.forceShutdown();
        assert.equal(code, 0, said);
        assert.doesNotMatch(said, /not ok/);
      });
    }
  });
}

for (const transport of TRANSPORTS) {
  for (const mode of MODES) {
    theirClient(transport, mode);
    ourClient(transport, mode);
  }
}
