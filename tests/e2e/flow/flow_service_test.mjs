// FlowService as grpc-js sees it, through router, worker and store: calls of each kind, and trailers.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const DEADLINE_MS = 30000;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flow-js-'));
const options = { includeDirs: ['proto'], keepCase: true, defaults: true, oneofs: true, longs: Number,
  enums: String };
const { FlowService } = grpc.loadPackageDefinition(
  loader.loadSync('flowbalancer/v1/flow.proto', options)).flowbalancer.v1;
const { Health } = grpc.loadPackageDefinition(
  loader.loadSync('grpc/health/v1/health.proto', options)).grpc.health.v1;

const address = (name) => `unix:${path.join(folder, `${name}.sock`)}`;
const deadline = () => ({ deadline: Date.now() + DEADLINE_MS });
const programs = [];

async function start(program, name, ...words) {
  const config = path.join(folder, 'config.json');
  fs.writeFileSync(config, '{"mcpServers": {}}');
  programs.push(spawn(path.join(process.env.FB_BIN, program),
    ['--config', config, '--log-level', 'error', '--listen', address(name), ...words],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, HOME: folder } }));
  const health = new Health(address(name), grpc.credentials.createInsecure());
  await new Promise((resolve, reject) => {
    health.waitForReady(Date.now() + DEADLINE_MS, (error) => (error ? reject(error) : resolve()));
  });
  health.close();
}

let flow;

// A unary call; what it rejects with has code, details and metadata.
const ask = (method, request) => new Promise((resolve, reject) => {
  flow[method](request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
});

// Who calls in one session.
const caller = (session, actor) => ({
  session,
  request: (more) => ({
    context: { session, agent: 'test' },
    by: { actor, request_id: crypto.randomUUID() },
    ...more,
  }),
  ask(method, more) {
    return ask(method, this.request(more));
  },
});

const item = (title, after) => ({
  task: { title, key: title, weight: 3, priority: 2 },
  links: after === undefined ? [] : [{ kind: 'FLOW_LINK_KIND_AFTER', key: after }],
});

describe('FlowService by grpc-js', () => {
  before(async () => {
    await start('flow-store', 'store', '--database', path.join(folder, 'store.db'));
    await start('flow-router', 'router');
    await start('flow-worker', 'worker', '--id', 'w1', '--router', address('router'),
      '--store', address('store'));
    flow = new FlowService(address('router'), grpc.credentials.createInsecure());
  });

  after(async () => {
    flow.close();
    for (const program of programs) {
      program.kill('SIGKILL');
      await once(program, 'exit');
    }
    fs.rmSync(folder, { recursive: true, force: true });
  });

  test('a session is worked through, and a repeated mutation answers as the first', async () => {
    const ada = caller('worked', 'ada');
    await ada.ask('OpenSession');
    assert.deepEqual((await ada.ask('Plan', { items: [item('a'), item('b', 'a')] })).tasks, [1, 2]);
    const finish = ada.request({ task: { key: 'a' }, summary: 'done', next: true });
    const first = await ask('Finish', finish);
    assert.equal(first.next.task.title, 'b');
    assert.equal(first.next.finished[0].summary, 'done');
    const again = await ask('Finish', finish);
    assert.equal(again.committed.repeated, true);
    assert.equal(again.next.fence, first.next.fence);
  });

  test('a refusal says its kind in a trailer, and its details in another', async () => {
    const ada = caller('refused', 'ada');
    await ada.ask('OpenSession');
    await ada.ask('Plan', { items: [item('a'), item('b', 'a')] });
    await assert.rejects(ada.ask('Plan', { items: [item('a')] }), (error) => {
      assert.equal(error.code, grpc.status.ALREADY_EXISTS);
      assert.deepEqual(error.metadata.get('flowbalancer-reason'), ['duplicate_key']);
      assert.ok(error.metadata.get('flowbalancer-refusal-bin')[0].length > 0);
      return true;
    });
  });

  test('whoever waits gets the work when it is ready', async () => {
    const [ada, bob] = [caller('waited', 'ada'), caller('waited', 'bob')];
    await ada.ask('OpenSession');
    await bob.ask('OpenSession');
    await ada.ask('Plan', { items: [item('a'), item('b', 'a')] });
    const answers = [];
    for await (const answer of flow.Next(bob.request({ wait_ms: DEADLINE_MS, task: { key: 'b' } }),
      deadline())) {
      answers.push(answer);
      if (answer.waiting) {
        await ada.ask('Finish', { task: { key: 'a' } });
      }
    }
    assert.equal(answers.length, 2);
    assert.equal(answers[1].claims[0].task.title, 'b');
  });

  test('a session goes out as a stream and comes in as one', async () => {
    const ada = caller('sent', 'ada');
    await ada.ask('OpenSession');
    await ada.ask('Plan', { items: Array.from({ length: 200 }, (_, i) => item(`task ${i}`)) });
    const parts = [];
    for await (const part of flow.Export({ context: { session: 'sent', agent: 'test' } }, deadline())) {
      parts.push(part.data);
    }
    const document = Buffer.concat(parts);
    const answer = await new Promise((resolve, reject) => {
      const call = flow.Import(deadline(), (error, said) => (error ? reject(error) : resolve(said)));
      const { by } = ada.request();
      call.write({ context: { session: 'received', agent: 'test' }, header: { by } });
      for (let at = 0; at < document.length; at += 5000) {
        call.write({ data: document.subarray(at, at + 5000) });
      }
      call.end();
    });
    assert.equal(answer.tasks, 200);
    assert.equal(answer.line.session, 'received');
  });

  test('a watch ends where its caller ends it', async () => {
    const ada = caller('watched', 'ada');
    await ada.ask('OpenSession');
    const watch = flow.Watch({ context: { session: 'watched', agent: 'test' } }, deadline());
    const seen = [];
    await assert.rejects(async () => {
      for await (const answer of watch) {
        seen.push(answer.part);
        if (answer.part === 'caught_up_seq') {
          watch.cancel();
        }
      }
    }, { code: grpc.status.CANCELLED });
    assert.deepEqual(seen, ['event', 'event', 'caught_up_seq']);
  });
});
