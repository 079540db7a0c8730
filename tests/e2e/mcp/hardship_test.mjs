// Two agents work off what they planned while the programs under them are killed, and are told what is wrong
// with what they say.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

import { Raw, gateway, scratch, until } from './gateway.mjs';

const dir = scratch();
const place = ['--state-dir', `${dir}/state`, '--config', `${dir}/config.json`];
const clients = {};

function flowctl(...words) {
  return execFileSync(path.join(process.env.FB_BIN ?? '', 'flowctl'), [...words, ...place], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

async function ask(agent, tool, parameters) {
  const result = await clients[agent].callTool({ name: tool, arguments: parameters });

  return { ...result.structuredContent, text: result.content[0].text, failed: result.isError === true };
}

async function call(agent, tool, parameters) {
  const answer = await ask(agent, tool, parameters);

  assert.ok(!answer.failed, answer.text);
  return answer;
}

// Kills a program of the suite the hard way, and waits until the supervisor has another in its place.
async function kill(name) {
  const pid = () => JSON.parse(flowctl('status', '--json')).programs.find((one) => one.name.startsWith(name))?.pid;
  const before = pid();

  process.kill(before, 'SIGKILL');
  await until(() => {
    try {
      return pid() > 0 && pid() !== before && flowctl('health') !== '';
    } catch {
      return false; // it does not answer yet
    }
  }, `${name} comes back`);
}

before(async () => {
  fs.writeFileSync(`${dir}/config.json`, '{"mcpServers": {}}');
  flowctl('up');
  for (const agent of ['ada', 'bob']) {
    clients[agent] = new Client({ name: agent, version: '1' });
    await clients[agent].connect(new StdioClientTransport({ command: gateway, args: place, cwd: dir, stderr: 'ignore' }));
  }
});

after(async () => {
  await Promise.all(Object.values(clients).map((client) => client.close()));
  Raw.killAll();
  flowctl('down', '--force');
  fs.rmSync(dir, { recursive: true });
});

describe('hardship', () => {
  it('every task is done once though worker, store and router are killed meanwhile', { timeout: 120000 }, async () => {
    const titles = Array.from({ length: 240 }, (_, i) => `step ${i}`);
    const done = [];
    let working = 2;
    const work = async (agent) => {
      const { session } = await call(agent, 'flow_open', { name: 'hardship', agent });
      let claim;

      for (;;) {
        let answer = claim === undefined
          ? await ask(agent, 'flow_next', { session })
          : await ask(agent, 'flow_done', { session, task: `#${claim.task}`, fence: claim.fence, summary: agent, next: true });
        if (answer.failed) {
          assert.notEqual(answer.error.kind, 'invalid', answer.text);
          claim = undefined; // whatever became of it: what is held comes first
          continue;
        }
        if (claim !== undefined) {
          done.push(claim.task);
        }
        claim = (answer.tasks ?? [answer.next]).filter(Boolean)[0];
        if (claim === undefined) {
          break;
        }
      }
      working--;
    };
    const { session } = await call('ada', 'flow_open', { name: 'hardship', agent: 'ada' });

    await call('ada', 'flow_plan', { session, tasks: titles.map((title, i) => ({ title, key: `k${i}`, after: i >= 2 ? [`k${i - 2}`] : [] })) });
    const workers = Promise.all([work('ada'), work('bob')]);
    for (const [name, after] of [['worker', 20], ['store', 60], ['router', 100]]) {
      await until(() => done.length >= after, `${after} tasks are done`);
      assert.equal(working, 2);
      await kill(name);
    }
    await workers;
    assert.equal(new Set(done).size, done.length, 'no task was done twice');
    const line = JSON.parse(flowctl('sessions', 'ls', 'hardship', '--json')).sessions[0];
    assert.equal(line.completed, titles.length);
    assert.equal(line.active ?? 0, 0);
    assert.match(flowctl('store', 'check'), /./);
  });

  it('a mistaken fence of an own task is answered with the right one', async () => {
    const { session } = await call('ada', 'flow_open', { name: 'fences', agent: 'ada' });
    await call('ada', 'flow_plan', { session, tasks: [{ title: 'one' }] });
    const { tasks: [claim] } = await call('ada', 'flow_next', { session });
    const refused = await ask('ada', 'flow_done', { session, task: '#1', fence: claim.fence + 7 });

    assert.equal(refused.error.kind, 'conflict');
    assert.match(refused.text, new RegExp(`is yours, but with fence ${claim.fence}, .* → call again with that fence`));
    await call('ada', 'flow_done', { session, task: '#1', fence: claim.fence });
  });

  it('a plan that was refused for a cycle leaves no alarm about tasks that there are not', async () => {
    const { session } = await call('ada', 'flow_open', { name: 'cycles', agent: 'ada' });
    const refused = await ask('ada', 'flow_plan', { session, tasks: [{ title: 'a', key: 'a', after: ['b'] }, { title: 'b', key: 'b', after: ['a'] }] });

    assert.equal(refused.error.kind, 'cycle');
    await call('ada', 'flow_plan', { session, tasks: [{ title: 'c', key: 'c' }] });
    assert.doesNotMatch((await call('ada', 'flow_status', { session })).text, /alarm/);
    assert.match((await ask('ada', 'flow_edit', { session, task: 'c', add_after: ['c'] })).text, /^cycle: this task would wait for itself: #1 -> #1 → /);
  });

  for (const { what, tool, parameters, says } of [
    { what: 'a session that is none', tool: 'flow_next', parameters: { session: 'nobody@ada' }, says: /^no_such: .*"nobody".* → .*flow_find/ },
    { what: 'a task that is none', tool: 'flow_done', parameters: { session: 'wrong@ada', task: '#99' }, says: /^no_such: there is no task 99 → flow_find/ },
    { what: 'a key that is none', tool: 'flow_done', parameters: { session: 'wrong@ada', task: 'zzz' }, says: /^no_such: .*"zzz" → flow_find/ },
    { what: 'a link to nothing', tool: 'flow_plan', parameters: { session: 'wrong@ada', tasks: [{ title: 'a', after: ['nope'] }] }, says: /^no_such: tasks\[0\] names "nope".* → plan that task/ },
    { what: 'a huge title', tool: 'flow_plan', parameters: { session: 'wrong@ada', tasks: [{ title: 'x'.repeat(100000) }] }, says: /^invalid: tasks\[0\]\.title: 1 to 512 bytes.* → put the rest into body/ },
    { what: 'no title', tool: 'flow_plan', parameters: { session: 'wrong@ada', tasks: [{ title: '' }] }, says: /^invalid: tasks\[0\]\.title/ },
    { what: 'no task', tool: 'flow_plan', parameters: { session: 'wrong@ada', tasks: [] }, says: /^invalid: tasks: wanted 1 to/ },
    { what: 'a list where a string belongs', tool: 'flow_plan', parameters: { session: 'wrong@ada', tasks: [{ title: 'a', accept: ['x'] }] }, says: /^invalid: tasks\[0\]\.accept: wanted a string →/ },
    { what: 'a weight out of range', tool: 'flow_plan', parameters: { session: 'wrong@ada', tasks: [{ title: 'a', weight: 99 }] }, says: /^invalid: tasks\[0\]\.weight: wanted a whole number from 1 to 10/ },
    { what: 'an argument that nobody knows', tool: 'flow_next', parameters: { session: 'wrong@ada', tsak: '#1' }, says: /^invalid: tsak: .* → there are session, n, peek, task, wait_s/ },
    { what: 'a view that is none', tool: 'flow_find', parameters: { session: 'wrong@ada', view: 'hologram' }, says: /^invalid: view: wanted one of lines, full, graph, evidence/ },
    { what: 'a condition that is none', tool: 'flow_find', parameters: { session: 'wrong@ada', where: 'colour:red' }, says: /^invalid: where: "colour:red" is not known: conditions are/ },
    { what: 'an agent with spaces', tool: 'flow_open', parameters: { name: 'wrong', agent: 'a b' }, says: /^invalid: agent: wanted 1 to 128/ },
    { what: 'a session without a name', tool: 'flow_open', parameters: { name: '', agent: 'ada' }, says: /^invalid: the session: wanted its name/ },
  ]) {
    it(`${what} is refused with what, where and the way out`, async () => {
      await call('ada', 'flow_open', { name: 'wrong', agent: 'ada' });
      const refused = await ask('ada', tool, parameters);

      assert.equal(refused.failed, true, refused.text);
      assert.match(refused.text, says);
      assert.match(refused.text, / → ./);
    });
  }
});
