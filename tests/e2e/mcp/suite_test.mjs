// How the gateway finds a router, brings one up, and finds it again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';

import grpc from '@grpc/grpc-js';

import { Raw, modernMeta, scratch, until } from './gateway.mjs';
import { Service } from './service.mjs';

const call = (id, message) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'test__echo', arguments: { message }, _meta: modernMeta },
});

// A zombie is dead: whoever reaps it may take its time.
function alive(pid) {
  try {
    return !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('the suite of this machine', () => {
  let dir;
  let supervisor;
  const started = () => {
    try {
      return fs.readFileSync(`${dir}/started`, 'utf8').trim().split('\n').map(Number);
    } catch {
      return [];
    }
  };

  // In the supervisor's place: a router that notes that it was started, and with which arguments.
  const write = (body) => {
    supervisor = `${dir}/supervisor`;
    fs.writeFileSync(supervisor, `#!${process.execPath}\n${body}`);
    fs.chmodSync(supervisor, 0o755);
  };

  beforeEach(() => {
    dir = scratch();
    write(`
      const fs = require('node:fs');
      const state = process.argv[process.argv.indexOf('--state-dir') + 1];
      fs.appendFileSync(${JSON.stringify(`${dir}/started`)}, process.pid + '\\n');
      try { fs.unlinkSync(state + '/run/router.sock'); } catch {}
      import(${JSON.stringify(path.join(import.meta.dirname, 'service.mjs'))}).then(({ Service }) => Service.listen('unix:' + state + '/run/router.sock'));
    `);
  });

  afterEach(async () => {
    Raw.killAll();
    const pids = started();

    for (const pid of pids) {
      if (alive(pid)) {
        process.kill(pid);
      }
    }
    await until(() => !pids.some(alive), 'the supervisors to end');
    fs.rmSync(dir, { recursive: true });
  });

  const agent = (...args) => new Raw(['--state-dir', `${dir}/state`, '--supervisor', supervisor, ...args]);

  it('is not started by a handshake', async () => {
    const raw = agent();

    await raw.handshake();
    raw.say({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: modernMeta } });
    await raw.heard();
    await raw.close();
    assert.deepEqual(started(), []);
    assert.equal(fs.existsSync(`${dir}/state`), false);
  });

  it('is started by the first call, and outlives the agent', async () => {
    const raw = agent();

    raw.say(call(1, 'a'));
    assert.equal((await raw.heard()).result.content[0].text, 'Echo: a');
    await raw.close();
    assert.equal(started().length, 1);
    assert.equal(alive(started()[0]), true);
    assert.equal(fs.statSync(`${dir}/state/run`).mode & 0o777, 0o700);
    const next = agent();

    next.say(call(1, 'b'));
    assert.equal((await next.heard()).result.content[0].text, 'Echo: b');
    await next.close();
    assert.equal(started().length, 1);
  });

  it('is started once by many agents at once', async () => {
    const agents = Array.from({ length: 8 }, () => agent());

    agents.forEach((raw, k) => raw.say(call(1, `m${k}`)));
    await Promise.all(agents.map(async (raw, k) => {
      assert.equal((await raw.heard()).result.content[0].text, `Echo: m${k}`);
      await raw.close();
    }));
    assert.equal(started().length, 1);
  });

  it('is started again when it died', async () => {
    const raw = agent();

    raw.say(call(1, 'a'));
    await raw.heard();
    process.kill(started()[0], 'SIGKILL');
    await until(() => !alive(started()[0]), 'the first suite to end');
    // A call that was sent in the very moment may have run, and is not sent again.
    let id = 2;

    await until(async () => {
      raw.say(call(id, 'b'));
      const answer = await raw.heard();

      assert.equal(answer.id, id);
      id += 1;
      return answer.result?.content[0].text === 'Echo: b';
    }, 'the second suite to answer');
    await raw.close();
    assert.equal(started().length, 2);
  });

  it('that ends at once is reported with where its log is', async () => {
    write('console.error("no room"); process.exit(3);');
    const raw = agent();

    raw.say(call(1, 'a'));
    const { error } = await raw.heard();

    assert.equal(error.code, -32603);
    assert.match(error.message, /flow-supervisor ended with code 3; see .*\/state\/supervisor\.log/);
    assert.match(fs.readFileSync(`${dir}/state/supervisor.log`, 'utf8'), /no room/);
    raw.say({ jsonrpc: '2.0', id: 2, method: 'server/discover', params: { _meta: modernMeta } });
    assert.equal((await raw.heard()).id, 2);
    await raw.close();
  });

  it('that never accepts is given up after the time it has', async () => {
    write(`
      require('node:fs').appendFileSync(${JSON.stringify(`${dir}/started`)}, process.pid + '\\n');
      setInterval(() => {}, 1000);
    `);
    const raw = agent('--start-timeout', '300ms');

    raw.say(call(1, 'a'));
    assert.match((await raw.heard()).error.message, /nothing accepts at .*router\.sock/);
    await raw.close();
  });

  it('that does not exist is named', async () => {
    const raw = new Raw(['--state-dir', `${dir}/state`, '--supervisor', `${dir}/none`]);

    raw.say(call(1, 'a'));
    const answer = await raw.heard();

    assert.match(answer.result.content[0].text, new RegExp(`${dir}/none`));
    assert.equal(answer.result.isError, true);
    await raw.close();
  });
});

describe('a router elsewhere', () => {
  let dir;
  let service;

  before(async () => {
    dir = scratch();
  });

  after(() => {
    Raw.killAll();
    fs.rmSync(dir, { recursive: true });
  });

  it('is waited for, but not for ever', async () => {
    const raw = new Raw(['--router', `unix:${dir}/s`, '--start-timeout', '300ms']);

    raw.say(call(1, 'a'));
    assert.match((await raw.heard()).error.message, /the router at unix:.*\/s cannot be reached/);
    raw.say(call(2, 'b'));
    service = await Service.listen(`unix:${dir}/s`);
    await raw.heard();
    await raw.close();
  });

  it('is found again after it was away', async () => {
    const raw = new Raw(['--router', `unix:${dir}/s`]);

    raw.say(call(1, 'a'));
    assert.equal((await raw.heard()).result.content[0].text, 'Echo: a');
    service.close();
    raw.say(call(2, 'b'));
    service = await Service.listen(`unix:${dir}/s`);
    assert.equal((await raw.heard()).id, 2);
    raw.say(call(3, 'c'));
    assert.equal((await raw.heard()).result.content[0].text, 'Echo: c');
    await raw.close();
    service.close();
  });

  it('is reached by TCP with mutual TLS, a token and the trace of the agent', async () => {
    const pem = (name) => `${dir}/ca/${name}`;
    const read = (name) => fs.readFileSync(pem(name));

    execFileSync(path.join(import.meta.dirname, '../../../deploy/dev-ca'), [`${dir}/ca`]);
    fs.writeFileSync(`${dir}/token`, 'abcdefghijklmnop\n');
    service = await Service.listen('127.0.0.1:0', grpc.ServerCredentials.createSsl(
      read('ca.pem'), [{ private_key: read('server.key'), cert_chain: read('server.pem') }], true,
    ));
    const args = ['--router', `127.0.0.1:${service.port}`, '--tls-ca', pem('ca.pem'), '--tls-server-name', 'localhost'];
    const raw = new Raw([...args, '--tls-cert', pem('dev.pem'), '--tls-key', pem('dev.key'), '--token-file', `${dir}/token`]);
    const message = call(1, 'a');

    message.params._meta = { ...modernMeta, traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01' };
    raw.say(message);
    assert.equal((await raw.heard()).result.content[0].text, 'Echo: a');
    assert.deepEqual(service.metadata.get('authorization'), ['Bearer abcdefghijklmnop']);
    assert.match(service.metadata.get('traceparent')[0], /^00-0123456789abcdef0123456789abcdef-[0-9a-f]{16}-01$/);
    await raw.close();
    const stranger = new Raw([...args, '--start-timeout', '300ms']);

    stranger.say(call(1, 'a'));
    assert.equal((await stranger.heard()).error.code, -32603);
    await stranger.close();
    service.close();
  });

  it('that cannot be one is refused with what is wrong', async () => {
    const raw = new Raw(['--router', 'nowhere']);

    assert.equal((await raw.exited).code, 64);
    assert.match(raw.stderr, /router/);
  });
});
