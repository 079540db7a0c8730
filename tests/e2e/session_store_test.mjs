// flow-store as grpc-js sees it, by TCP, TLS and mutual TLS.

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

const DEADLINE_MS = 30000;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flow-store-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
const certificates = path.join(folder, 'ca');
execFileSync('deploy/dev-ca', [certificates]);
const pathOf = (name) => path.join(certificates, name);
const read = (name) => fs.readFileSync(pathOf(name));

const definition = loader.loadSync('flowbalancer/v1/session_store.proto', {
  includeDirs: ['proto'], keepCase: true, defaults: true, oneofs: true, longs: Number, enums: String,
});
const { SessionStoreService } = grpc.loadPackageDefinition(definition).flowbalancer.v1;

const server = ['--tls-cert', pathOf('server.pem'), '--tls-key', pathOf('server.key')];
const mutual = [...server, '--tls-ca', pathOf('ca.pem')];
const limits = { 'grpc.max_receive_message_length': 32 << 20 };
const dev = () => grpc.credentials.createSsl(read('ca.pem'), read('dev.key'), read('dev.pem'));

class Store {
  static async start(...words) {
    const store = new Store();
    store.home = fs.mkdtempSync(path.join(folder, 'home-'));
    store.process = spawn(path.join(process.env.FB_BIN, 'flow-store'),
      ['--listen', '127.0.0.1:0', '--database', path.join(store.home, 'store.db'), ...words],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: store.home } });
    store.said = [];
    for await (const line of readline.createInterface({ input: store.process.stderr })) {
      store.said.push(line);
      const found = /msg=listens address=(\S+)/.exec(line);
      if (found) {
        [, store.address] = found;
        store.process.stderr.resume();
        return store;
      }
    }
    throw new Error(`it ended: ${store.said.join('\n')}`);
  }

  async stop() {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const [code] = await ended;
    return code;
  }
}

class Caller {
  constructor(store, credentials) {
    this.client = new SessionStoreService(store.address, credentials, limits);
  }

  unary(method, request) {
    return new Promise((resolve, reject) => {
      this.client[method](request, { deadline: Date.now() + DEADLINE_MS },
        (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  async stream(method, request) {
    const parts = [];
    for await (const part of this.client[method](request, { deadline: Date.now() + DEADLINE_MS })) {
      parts.push(part);
    }
    return parts;
  }
}

for (const [mode, words, credentials] of [
  ['TCP', [], () => grpc.credentials.createInsecure()],
  ['TLS', server, () => grpc.credentials.createSsl(read('ca.pem'))],
  ['mutual TLS', mutual, dev],
]) {
  describe(mode, () => {
    let store;
    let caller;

    before(async () => {
      store = await Store.start(...words);
      caller = new Caller(store, credentials());
    });
    after(async () => {
      caller.client.close();
      assert.equal(await store.stop(), 0);
    });

    test('what is appended is loaded and watched', async () => {
      const { session_id, epoch } = await caller.unary('AcquireSession',
        { name: 'plans', create: true, owner: 'worker-1' });
      const watching = caller.client.WatchSession({ session_id }, { deadline: Date.now() + DEADLINE_MS });
      const parts = watching[Symbol.asyncIterator]();
      assert.equal((await parts.next()).value.caught_up.last, 0);
      const payloads = [Buffer.from('one'), Buffer.alloc(1 << 20, 'x'), Buffer.alloc(0)];
      const answer = await caller.unary('AppendEvents', {
        session_id, epoch, expected_sequence: 0, request_id: 'r1',
        events: payloads.map((payload, i) => ({ kind: i, payload })),
      });
      assert.equal(answer.last_sequence, 3);
      const watched = [];
      while (watched.length < 3) {
        watched.push(...(await parts.next()).value.events.events);
      }
      watching.cancel();
      await assert.rejects(parts.next());
      const loaded = (await caller.stream('LoadSession', { session_id }))
        .flatMap((part) => part.events?.events ?? []);
      for (const events of [watched, loaded]) {
        assert.deepEqual(events.map((event) => event.sequence), [1, 2, 3]);
        assert.deepEqual(events.map((event) => event.payload), payloads);
      }
    });

    test('500 appends at once each get their own answer', async () => {
      const sessions = await Promise.all(Array.from({ length: 500 }, (_, i) =>
        caller.unary('AcquireSession', { session_id: `many-${i}`, create: true, owner: 'w' })));
      const answers = await Promise.all(sessions.map(({ session_id, epoch }, i) =>
        caller.unary('AppendEvents', {
          session_id, epoch, expected_sequence: 0, request_id: `r${i}`,
          events: Array.from({ length: 1 + (i % 7) }, () => ({ payload: Buffer.from(`${i}`) })),
        })));
      answers.forEach((answer, i) => assert.equal(answer.last_sequence, 1 + (i % 7)));
    });

    test('a refusal says why in its trailers', async () => {
      const { session_id, epoch } = await caller.unary('AcquireSession',
        { session_id: 'refused', create: true, owner: 'w' });
      await assert.rejects(caller.unary('AppendEvents', {
        session_id, epoch, expected_sequence: 5, request_id: 'r', events: [{ payload: Buffer.from('x') }],
      }), (error) => {
        assert.equal(error.code, grpc.status.ABORTED);
        assert.deepEqual(error.metadata.get('flowbalancer-reason'), ['wrong-sequence']);
        assert.deepEqual(error.metadata.get('flowbalancer-last-sequence'), ['0']);
        return true;
      });
    });
  });
}

test('without a certificate that it trusts nobody gets in', async () => {
  const store = await Store.start(...mutual);
  const stranger = new Caller(store, grpc.credentials.createSsl(read('ca.pem')));
  await assert.rejects(stranger.unary('ListSessions', {}),
    (error) => error.code === grpc.status.UNAVAILABLE);
  stranger.client.close();
  const known = new Caller(store, dev());
  assert.deepEqual((await known.unary('ListSessions', {})).sessions, []);
  known.client.close();
  assert.equal(await store.stop(), 0);
});

test('beyond loopback it listens only to those it can know', async () => {
  const home = fs.mkdtempSync(path.join(folder, 'home-'));
  const refused = spawn(path.join(process.env.FB_BIN, 'flow-store'),
    ['--listen', '0.0.0.0:0', '--database', path.join(home, 'store.db')],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: home } });
  let said = '';
  refused.stderr.on('data', (data) => { said += data; });
  const [code] = await once(refused, 'close');
  assert.equal(code, 78);
  assert.match(said, /0\.0\.0\.0:0/);
});
