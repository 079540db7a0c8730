// What the gateway does with its descriptors: pipes, files, floods, silence and the end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { Raw, gateway, modernMeta, scratch, until } from './gateway.mjs';
import { Service } from './service.mjs';

const ping = (id) => ({ jsonrpc: '2.0', id, method: 'ping' });
const call = (id, name, args = {}, meta = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args, _meta: { ...modernMeta, ...meta } },
});

// Sanitizers need memory of their own.
const sanitized = /san/.test(process.env.FB_CONFIG ?? '');

function resident(pid) {
  const rollup = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');

  return Number(/^Rss:\s+(\d+) kB/m.exec(rollup)[1]);
}

describe('stdio', () => {
  let dir;
  let service;
  let router;

  before(async () => {
    dir = scratch();
    router = `unix:${dir}/s`;
    service = await Service.listen(router);
  });

  after(() => {
    Raw.killAll();
    service.close();
    fs.rmSync(dir, { recursive: true });
  });

  it('reads a file and writes a file', async () => {
    const messages = Array.from({ length: 2000 }, (_, k) => `${JSON.stringify(ping(k))}\r\n\n`);

    fs.writeFileSync(`${dir}/in`, `\uFEFF${messages.join('')}${JSON.stringify(ping('unterminated'))}`);
    const input = fs.openSync(`${dir}/in`, 'r');
    const output = fs.openSync(`${dir}/out`, 'w');
    const child = spawn(gateway, [], { stdio: [input, output, 'inherit'] });
    const [code] = await once(child, 'exit');
    const lines = fs.readFileSync(`${dir}/out`, 'utf8').split('\n');

    assert.equal(code, 0);
    assert.equal(lines.length, 2001);
    assert.deepEqual(JSON.parse(lines[1999]), { jsonrpc: '2.0', id: 1999, result: {} });
  });

  it('reads on while nobody reads its answers, and loses none', async () => {
    const count = 30000;
    const child = spawn(gateway, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';

    for (let k = 0; k < count; k += 1) {
      child.stdin.write(`${JSON.stringify(ping(k))}\n`);
    }
    await new Promise((resolve) => {
      child.stdin.write('\n', resolve); // all was taken, though nothing of 1.2 MB was read
    });
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (bytes) => {
      text += bytes;
    });
    await until(() => text.split('\n').length > count, 'all answers');
    assert.equal(JSON.parse(text.split('\n')[count - 1]).id, count - 1);
    child.stdin.end();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('holds the suite back when results are not read', async () => {
    const child = spawn(gateway, ['--router', router], { stdio: ['pipe', 'pipe', 'inherit'] });
    const big = (id) => child.stdin.write(`${JSON.stringify(call(id, 'test__big', { bytes: 2_000_000 }))}\n`);
    const first = 6;
    const more = 30;
    let size = 0;
    let lines = 0;

    for (let k = 0; k < first; k += 1) {
      big(k);
    }
    await until(() => resident(child.pid) > 10 * 1024, 'the first results to come');
    for (let k = 0; k < more; k += 1) {
      big(first + k);
    }
    child.stdin.write(`${JSON.stringify(call('last', 'test__echo', { message: 'x' }))}\n`);
    await until(() => service.contexts.at(-1)?.name === 'test__echo', 'the last call to arrive');
    assert.ok(sanitized || resident(child.pid) < 40 * 1024, `${resident(child.pid)} kB resident`);
    child.stdout.on('data', (bytes) => {
      size += bytes.length;
      lines += bytes.filter((byte) => byte === 10).length;
    });
    await until(() => lines === first + more + 1, 'all results');
    assert.ok(size > (first + more) * 2_000_000);
    child.stdin.end();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('answers a line that is too long, and keeps nothing of a long one', async () => {
    const raw = new Raw(['--max-line', '16MiB', '--router', router]);
    const filler = 'x'.repeat(15 << 20);

    raw.say(ping(1));
    assert.equal((await raw.heard()).id, 1);
    raw.write(`{"jsonrpc":"2.0","id":2,"method":"ping","params":{"x":"${filler}"}}\n`);
    assert.equal((await raw.heard()).id, 2);
    raw.write(`{"jsonrpc":"2.0","id":3,"method":"ping","params":{"x":"${filler}${filler}"}}\n`);
    assert.equal((await raw.heard()).error.code, -32600);
    raw.say(ping(4));
    assert.equal((await raw.heard()).id, 4);
    assert.ok(sanitized || resident(raw.child.pid) < 6 * 1024, `${resident(raw.child.pid)} kB resident`);
    assert.deepEqual(await raw.close(), { code: 0, signal: null });
  });

  it('passes on arguments of ten million bytes', async () => {
    const raw = new Raw(['--router', router]);
    const message = 'y'.repeat(9_900_000);

    raw.say(call(1, 'test__echo', { message }));
    assert.equal((await raw.heard()).result.content[0].text.length, message.length + 6);
    await raw.close();
  });

  it('goes on when its standard error is never read', async () => {
    const raw = new Raw(['--log-level', 'debug']);

    raw.child.stderr.pause();
    for (let k = 0; k < 3000; k += 1) {
      raw.write(`{"jsonrpc":"2.0","id":${k},"result":{"x":"an answer that nobody asked for is logged"}}\n`);
    }
    raw.say(ping('after'));
    assert.equal((await raw.heard()).id, 'after');
    assert.deepEqual(await raw.close(), { code: 0, signal: null });
  });

  it('finishes what runs when its input ends, then exits at once', async () => {
    const raw = new Raw(['--linger', '1m', '--router', router]);
    const arrived = new Promise((resolve) => {
      service.onSlow = resolve;
    });

    raw.say(call(1, 'test__slow'));
    const entry = await arrived;

    raw.child.stdin.end();
    entry.release();
    assert.equal((await raw.heard()).result.content[0].text, 'done');
    assert.deepEqual(await raw.exited, { code: 0, signal: null });
  });

  it('cancels what does not end in time, without an answer', async () => {
    const raw = new Raw(['--linger', '200ms', '--router', router]);
    const arrived = new Promise((resolve) => {
      service.onSlow = resolve;
    });

    raw.say(call(1, 'test__slow', { key: 'linger' }));
    await arrived;
    assert.deepEqual(await raw.close(), { code: 0, signal: null });
    await until(() => service.cancelled.includes('linger'), 'the call to be cancelled');
    assert.deepEqual(raw.lines, []);
  });

  for (const signal of ['SIGTERM', 'SIGINT']) {
    it(`ends within a second on ${signal}, cancelling what runs`, async () => {
      const raw = new Raw(['--router', router]);
      const arrived = new Promise((resolve) => {
        service.onSlow = resolve;
      });

      raw.say(call(1, 'test__slow', { key: signal }));
      await arrived;
      const begin = Date.now();

      raw.child.kill(signal);
      assert.deepEqual(await raw.exited, { code: 0, signal: null });
      assert.ok(Date.now() - begin < 1000);
      await until(() => service.cancelled.includes(signal), 'the call to be cancelled');
    });
  }

  it('exits when nobody can hear it any more', async () => {
    const raw = new Raw([]);

    raw.say(ping(1));
    await raw.heard();
    raw.child.stdout.destroy();
    raw.say(ping(2));
    assert.deepEqual(await raw.exited, { code: 0, signal: null });
  });

  it('tells progress with its token and never after the answer', async () => {
    const raw = new Raw(['--router', router]);

    service.onSlow = (entry) => entry.release();
    for (const token of [7, '7', 'a"b']) {
      raw.say(call('p', 'test__slow', { steps: 2 }, { progressToken: token }));
      assert.strictEqual((await raw.heard()).params.progressToken, token);
      assert.strictEqual((await raw.heard()).params.progress, 2);
      assert.equal((await raw.heard()).id, 'p');
    }
    await raw.close();
    assert.deepEqual(raw.lines, []);
  });

  it('serves both eras in one conversation', async () => {
    const raw = new Raw(['--router', router]);

    raw.say({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: modernMeta } });
    assert.equal((await raw.heard()).result.resultType, 'complete');
    assert.equal((await raw.handshake('2024-11-05')).protocolVersion, '2024-11-05');
    raw.say({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    const legacy = (await raw.heard()).result;

    assert.equal(legacy.resultType, undefined);
    assert.deepEqual(legacy.tools.find((tool) => tool.name === 'test__slow'), { name: 'test__slow', description: 'test__slow', inputSchema: { type: 'object' } });
    raw.say({ jsonrpc: '2.0', id: 3, method: 'tools/list', params: { _meta: modernMeta } });
    const modern = (await raw.heard()).result;

    assert.equal(modern.resultType, 'complete');
    assert.equal(modern.ttlMs, 1000);
    assert.equal(modern.cacheScope, 'public');
    assert.equal(modern.tools.find((tool) => tool.name === 'test__slow').title, 'Slow');
    await raw.close();
  });

  it('hands on `_meta` without what is its own', async () => {
    const raw = new Raw(['--router', router]);

    raw.say(call(1, 'test__meta', {}, { progressToken: 1, 'vendor/x': [1.5], baggage: 'a=b' }));
    assert.equal((await raw.heard()).result.content[0].text, '{"vendor/x":[1.5],"baggage":"a=b"}');
    await raw.close();
  });

  it('says who the agent is, the same for all of its calls', async () => {
    const named = new Raw(['--router', router, '--agent', 'me', '--scope', 'mine']);
    const drawn = new Raw(['--router', router]);

    service.contexts.length = 0;
    named.say(call(1, 'test__echo'));
    await named.heard();
    drawn.say(call(1, 'test__echo'));
    await drawn.heard();
    drawn.say(call(2, 'test__echo'));
    await drawn.heard();
    assert.deepEqual(service.contexts[0], { session: '', agent: 'me', server: 'test', name: 'test__echo', scope: 'mine' });
    assert.match(service.contexts[1].agent, /^gw-[0-9a-f]{16}$/);
    assert.equal(service.contexts[1].agent, service.contexts[2].agent);
    await Promise.all([named.close(), drawn.close()]);
  });
});
