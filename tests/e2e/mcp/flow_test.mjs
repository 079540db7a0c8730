// Sessions of tasks, as agents see them: the official clients, the gateway, and the suite that it brings up.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

import { Raw, gateway, modernMeta, scratch, until } from './gateway.mjs';

const dir = scratch();
const args = ['--state-dir', `${dir}/state`, '--config', `${dir}/config.json`];
const info = { name: 'test', version: '1' };

const kinds = [
  { title: 'SDK v1', Client: ClientV1, Transport: StdioV1, options: {}, era: 'legacy' },
  { title: 'SDK v2, legacy', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: 'legacy' } }, era: 'legacy' },
  { title: 'SDK v2, auto', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: 'auto', probe: { timeoutMs: 5000 } } }, era: 'modern' },
];

async function connect({ Client, Transport, options }, more = []) {
  const client = new Client(info, { capabilities: {}, ...options });

  await client.connect(new Transport({ command: gateway, args: [...args, ...more], cwd: dir, stderr: 'ignore' }));
  return client;
}

// What a tool has answered; an error is one of the test.
async function call(client, name, parameters) {
  const result = await client.callTool({ name, arguments: parameters });

  assert.ok(!result.isError, result.content[0].text);
  return result.structuredContent;
}

async function refused(client, name, parameters) {
  const result = await client.callTool({ name, arguments: parameters });

  assert.equal(result.isError, true, JSON.stringify(result));
  assert.ok(result.content[0].text.startsWith(`${result.structuredContent.error.kind}: `));
  assert.match(result.content[0].text, / → /);
  return result.structuredContent.error;
}

before(() => {
  fs.writeFileSync(`${dir}/config.json`, '{"mcpServers": {}}');
});

after(() => {
  Raw.killAll();
  execFileSync(path.join(process.env.FB_BIN ?? '', 'flowctl'), ['down', '--state-dir', `${dir}/state`]);
  fs.rmSync(dir, { recursive: true });
});

for (const kind of kinds) {
  describe(`sessions of tasks by ${kind.title}`, () => {
    const name = `the work of ${kind.title}`;
    let client;
    let session;
    let id;

    before(async () => {
      client = await connect(kind);
      await client.listTools(); // the clients check results by the schemas from here on
    });

    after(() => client.close());

    it('are opened by name, and come back with what is held', async () => {
      const opened = await call(client, 'flow_open', { name, agent: 'ada' });

      session = opened.session;
      id = session.split('@')[0];
      assert.match(session, /^[A-Za-z0-9._-]+@ada$/);
      assert.deepEqual(opened.held, []);
      assert.equal((await call(client, 'flow_open', { name, agent: 'ada' })).session, session);
    });

    it('are planned with a chain, and worked off with one call for each task', async () => {
      const planned = await call(client, 'flow_plan', {
        session,
        key: 'all',
        tasks: [
          { title: 'Survey', key: 'survey', body: 'Read what there is.' },
          { title: 'Parser', key: 'parser', after: ['survey'], chain: true },
          { title: 'Ship', key: 'ship', after: ['parser'] },
        ],
      });

      assert.equal(planned.tasks.length, 3);
      assert.equal(planned.ready, 1);
      assert.deepEqual((await call(client, 'flow_plan', { session, key: 'all', tasks: [{ title: 'Survey' }] })).tasks, planned.tasks);
      const begun = (await call(client, 'flow_next', { session })).tasks[0];
      const titles = [];
      let claim = begun;
      let fence = 0;
      let calls = 0;

      assert.equal(begun.body, 'Read what there is.');
      while (claim) {
        assert.ok(claim.fence > fence);
        fence = claim.fence;
        titles.push(claim.title);
        const done = await call(client, 'flow_done', { session, task: `#${claim.task}`, fence, summary: `did ${claim.title}`, next: true });

        calls += 1;
        claim = done.next;
        if (claim) {
          assert.ok(claim.done.some((line) => line.includes('did ') || line.includes('Parser')), JSON.stringify(claim));
        } else {
          assert.equal(done.finished, true);
          assert.equal(done.progress, 100);
        }
      }
      assert.equal(calls, 6);
      assert.equal(titles[0], 'Survey');
      assert.equal(titles.at(-1), 'Ship');
      assert.deepEqual(titles.slice(1, 5).map((title) => title.split(':')[0]), ['Plan', 'Implement', 'Test', 'Document']);
    });

    it('refuse with a kind and the way out', async () => {
      const { tasks } = await call(client, 'flow_plan', { session, tasks: [{ title: 'Contested', key: 'contested' }, { title: 'Later', key: 'later', after: ['contested'] }] });
      const other = (await call(client, 'flow_open', { name, agent: 'bob' })).session;
      const claim = (await call(client, 'flow_next', { session, task: 'contested' })).tasks[0];

      assert.equal(claim.task, tasks[0]);
      assert.equal((await refused(client, 'flow_done', { session: other, task: claim.task, fence: claim.fence })).kind, 'conflict');
      assert.equal((await refused(client, 'flow_next', { session: other, task: 'later' })).kind, 'not_ready');
      assert.equal((await refused(client, 'flow_done', { session, task: 4711 })).kind, 'no_such');
      assert.equal((await refused(client, 'flow_edit', { session, task: 'contested', add_after: ['later'] })).kind, 'cycle');
      assert.equal((await refused(client, 'flow_plan', { session, tasks: [{ title: 'x', key: 'later' }] })).kind, 'duplicate_key');
      assert.equal((await refused(client, 'flow_edit', { session, task: 'later', if_rev: 99, set: { title: 'x' } })).kind, 'stale_rev');
      assert.equal((await refused(client, 'flow_plan', { session, tasks: [{ title: 'x', weight: 11 }] })).kind, 'invalid');
      assert.equal((await refused(client, 'flow_status', { session: 'nobody-knows-it' })).kind, 'no_such');
      await call(client, 'flow_pulse', { session, task: claim.task, fence: claim.fence, note: 'half of it', pct: 50 });
      assert.match((await call(client, 'flow_find', { session, q: 'contested' })).lines[0], /active 50% @ada Contested/);
      await call(client, 'flow_done', { session, task: claim.task });
    });

    it('say at once what of the evidence is not there, and find what has changed since', async () => {
      const file = `${dir}/${kind.title}.txt`;
      const own = fs.realpathSync(dir);

      fs.writeFileSync(file, 'first');
      const { tasks } = await call(client, 'flow_plan', { session, tasks: [{ title: 'Proven' }] });
      const done = await call(client, 'flow_done', {
        session,
        task: tasks[0],
        evidence: [path.basename(file), 'deadbeef', 'make test', 'none.c'],
      });

      assert.deepEqual(done.missing, [`${own}/none.c: it is not there on ${os.hostname()}`]);
      fs.writeFileSync(file, 'second');
      const found = await call(client, 'flow_find', { session, view: 'evidence', q: `#${tasks[0]}` });

      assert.equal(found.total, 4);
      assert.ok(found.lines.includes(`#${tasks[0]} changed ${own}/${path.basename(file)}, on ${os.hostname()}`), JSON.stringify(found));
    });

    it('can be read as a brief, a drawing and a log', async () => {
      const uris = (await client.listResources()).resources.map((resource) => resource.uri);
      const read = async (what) => (await client.readResource({ uri: `flow://${id}/${what}` })).contents[0];

      assert.ok(['brief', 'graph.svg', 'log'].every((what) => uris.includes(`flow://${id}/${what}`)), `${uris}`);
      assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 3);
      assert.match((await read('brief')).text, new RegExp(`^# ${name}`));
      assert.match((await read('graph.svg')).text, /^<svg /);
      assert.match((await read('log')).text, /@ada planned first_task 1 /);
      await assert.rejects(client.readResource({ uri: `flow://${id}/none` }), (error) => [-32602, -32002].includes(error.code));
    });

    it('tell who has subscribed that they have changed', async () => {
      const uri = `flow://${id}/log`;
      const told = [];
      let subscription;

      client.setNotificationHandler(
        kind.Client === ClientV1 ? ResourceUpdatedNotificationSchema : 'notifications/resources/updated',
        ({ params }) => told.push(params.uri),
      );
      if (kind.era === 'modern') {
        subscription = await client.listen({ resourceSubscriptions: [uri] });
        assert.deepEqual(subscription.honoredFilter, { resourceSubscriptions: [uri] });
      } else {
        await client.subscribeResource({ uri });
      }
      // The stream begins a moment later: until then nothing is told.
      await until(async () => {
        await call(client, 'flow_plan', { session, tasks: [{ title: 'Noticed' }] });
        return told.length > 0;
      }, 'a notice');
      assert.equal(told[0], uri);
      await (subscription ? subscription.close() : client.unsubscribeResource({ uri }));
    });

    it('are found across sessions, by words and as a list', async () => {
      assert.ok((await call(client, 'flow_find', {})).lines.some((line) => line.startsWith(`${id} "${name}": `)));
      await until(async () => (await call(client, 'flow_find', { q: 'contested' })).lines.some((line) => line.startsWith(`${id} #`)), 'the task to be found');
    });

    it('take a change back', async () => {
      const { tasks } = await call(client, 'flow_plan', { session, tasks: [{ title: 'Before' }] });

      await call(client, 'flow_edit', { session, task: tasks[0], set: { title: 'After' } });
      await call(client, 'flow_edit', { session, task: tasks[0], undo: true });
      assert.match((await call(client, 'flow_find', { session, where: `#:${tasks[0]}-${tasks[0]}` })).lines[0], /Before$/);
    });
  });
}

describe('the tools of the system before ours', () => {
  it('are there with the switch, and work on the same sessions', async () => {
    const client = await connect(kinds[0], ['--original-tools', '--agent', 'eve']);
    const names = (await client.listTools()).tools.map((tool) => tool.name);

    for (const name of ['create_session', 'add_task', 'complete_task', 'flow_status', 'pulse', 'set_comprehensive_todos', 'enter_rest_mode', 'flow_open']) {
      assert.equal(names.filter((other) => other === name).length, 1, name);
    }
    const sessionId = 'as-before';

    await call(client, 'create_session', { sessionId });
    const first = (await call(client, 'add_task', { sessionId, description: 'First\nwith more', context: 'why', weight: 3, dependencies: [] })).taskId;
    const second = (await call(client, 'add_task', { sessionId, description: 'Second', dependencies: [first] })).taskId;

    await call(client, 'pulse', { sessionId, action: 'begun', taskId: first });
    assert.deepEqual((await call(client, 'enter_rest_mode', { sessionId, duration: '20 minutes' })).resting, [first]);
    await call(client, 'pulse', { sessionId, action: 'goes on', taskId: first });
    await call(client, 'complete_task', { sessionId, taskId: first });
    const todos = ['one', 'two'];

    assert.equal((await call(client, 'set_comprehensive_todos', { sessionId, todos })).taskIds.length, 2);
    assert.equal((await call(client, 'set_comprehensive_todos', { sessionId, todos: [...todos, 'three'] })).taskIds.length, 1);
    assert.match((await call(client, 'flow_status', { sessionId })).line, / of 5: 4 ready, 1 completed/);
    assert.match((await call(client, 'flow_find', { session: sessionId, q: 'Second' })).lines[0], new RegExp(`^${second} ready `));
    await client.close();
  });

  it('and ours can be left out, with the resources', async () => {
    const raw = new Raw([...args, '--no-flow-tools']);

    raw.say({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: modernMeta } });
    assert.deepEqual((await raw.heard()).result.tools, []);
    raw.say({ jsonrpc: '2.0', id: 2, method: 'resources/list', params: { _meta: modernMeta } });
    assert.equal((await raw.heard()).error.code, -32601);
    await raw.close();
  });
});
