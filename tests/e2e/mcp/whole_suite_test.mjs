// From a real client to real servers and back: the gateway brings up the suite of this machine.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';

import { Raw, gateway, scratch, until } from './gateway.mjs';

const run = promisify(execFile);
const bin = path.join(import.meta.dirname, '../../node_modules/.bin');
const dir = scratch();
const notes = `${dir}/notes`;
const args = ['--state-dir', `${dir}/state`, '--config', `${dir}/config.json`];
const noted = () => (fs.existsSync(notes) ? fs.readFileSync(notes, 'utf8').trim().split('\n') : []);

const kinds = [
  { title: 'SDK v1', Client: ClientV1, Transport: StdioV1, options: {} },
  { title: 'SDK v2, legacy', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: 'legacy' } } },
  { title: 'SDK v2, auto', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: 'auto', probe: { timeoutMs: 5000 } } } },
  { title: 'SDK v2, pinned', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: { pin: '2026-07-28' } } } },
];

describe('the whole suite', () => {
  let tools;

  before(() => {
    fs.mkdirSync(`${dir}/files`);
    fs.writeFileSync(`${dir}/files/letter`, 'dear reader');
    fs.writeFileSync(`${dir}/config.json`, JSON.stringify({
      mcpServers: {
        everything: { command: `${bin}/mcp-server-everything`, args: ['stdio'] },
        files: { command: `${bin}/mcp-server-filesystem`, args: [`${dir}/files`] },
        witness: { command: process.execPath, args: [path.join(import.meta.dirname, 'witness_server.mjs'), notes] },
      },
    }));
  });

  after(() => {
    Raw.killAll();
    execFileSync(path.join(process.env.FB_BIN ?? '', 'flowctl'), ['down', '--state-dir', `${dir}/state`]);
    fs.rmSync(dir, { recursive: true });
  });

  for (const { title, Client, Transport, options } of kinds) {
    const more = Client === ClientV1 ? [undefined] : [];

    describe(title, () => {
      let client;
      const errors = [];

      before(async () => {
        client = new Client({ name: 'test', version: '1' }, { capabilities: {}, ...options });
        client.onerror = (error) => errors.push(error);
        await client.connect(new Transport({ command: gateway, args, stderr: 'ignore' }));
      });

      it('lists the tools of all servers under their prefixed names, each time the same', async () => {
        const names = (await client.listTools()).tools.map((tool) => tool.name);

        for (const name of ['everything__echo', 'everything__get-sum', 'files__read_text_file', 'witness__wait']) {
          assert.ok(names.includes(name), `${name} in ${names}`);
        }
        tools ??= names;
        assert.deepEqual(names, tools);
      });

      it('calls tools of two servers', async () => {
        const sum = await client.callTool({ name: 'everything__get-sum', arguments: { a: 2, b: 3 } });
        const letter = await client.callTool({ name: 'files__read_text_file', arguments: { path: `${dir}/files/letter` } });

        assert.match(sum.content[0].text, /\b5\b/);
        assert.equal(letter.content[0].text, 'dear reader');
      });

      it('gets to each of 500 calls at once its own answer', async () => {
        await Promise.all(Array.from({ length: 500 }, async (_, k) => {
          const result = await client.callTool({ name: 'everything__echo', arguments: { message: `m${k}` } });

          assert.equal(result.content[0].text, `Echo: m${k}`);
        }));
      });

      it('is told of the progress of a call', async () => {
        const steps = [];

        await client.callTool({ name: 'everything__trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } }, ...more, {
          onprogress: ({ progress, total }) => steps.push([progress, total]),
        });
        // The server tells the fourth with its result; what comes in one read with a result the SDKs do not tell.
        assert.deepEqual(steps.slice(0, 3), [[1, 4], [2, 4], [3, 4]]);
      });

      it('has its cancellation reach the server', async () => {
        const abort = new AbortController();
        const call = client.callTool({ name: 'witness__wait', arguments: { key: title } }, ...more, { signal: abort.signal });
        const rejected = assert.rejects(call);

        await until(() => noted().includes(`waits ${title}`), 'the call to arrive');
        abort.abort('enough');
        await rejected;
        await until(() => noted().includes(`cancelled ${title}`), 'the server to hear of it');
      });

      it('reads what a server says is wrong with arguments', async () => {
        const result = await client.callTool({ name: 'files__read_text_file', arguments: { path: '/etc/passwd' } });

        assert.equal(result.isError, true);
      });

      it('is refused tools and servers that there are not', async () => {
        for (const name of ['everything__none', 'nobody__echo']) {
          await assert.rejects(client.callTool({ name, arguments: {} }), (error) => error.code === -32602, name);
        }
      });

      it('is left without an error, in less than two seconds', async () => {
        const begin = Date.now();

        await client.close();
        assert.ok(Date.now() - begin < 2000);
        assert.deepEqual(errors.map(String).filter((error) => !error.includes('"progress":4,"total":4')), []);
      });
    });
  }

  for (const era of ['legacy', 'modern', 'auto']) {
    it(`answers the inspector in the era ${era}`, async () => {
      const { stdout } = await run(process.execPath, [
        `${bin}/mcp-inspector`, '--cli', '--format', 'json', '-q', '--protocol-era', era, '--method', 'tools/call',
        '--tool-name', 'everything__echo', '--tool-args-json', '{"message":"hi"}', gateway, '--state-dir', `${dir}/state`,
      ]);
      const answer = JSON.parse(stdout);

      assert.equal((answer.result ?? answer).content[0].text, 'Echo: hi');
    });
  }

  it('gets 50 results of 3 MB, all asked for at once, each whole', async () => {
    const raw = new Raw(args);
    const line = 'All of it, to the last "word".\n';
    const times = 100000;
    const book = line.repeat(times);
    const waited = new Set(Array.from({ length: 50 }, (_, id) => id));

    await raw.handshake();
    for (const id of waited) {
      raw.say({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'witness__recite', arguments: { line, times } } });
    }
    while (waited.size > 0) {
      const { id, result, error } = await raw.heard();

      if (waited.delete(id)) {
        assert.ok(result?.content[0].text === book, JSON.stringify(error ?? result).slice(0, 500));
      }
    }
    await raw.close();
  });

  it('tells a legacy agent when a server has got another tool', async () => {
    const raw = new Raw(args);
    const ask = async (id, method, params = {}) => {
      raw.say({ jsonrpc: '2.0', id, method, params });
      for (;;) {
        const message = await raw.heard();

        if (message.id === id) {
          return message.result;
        }
        changed ||= message.method === 'notifications/tools/list_changed';
      }
    };
    let changed = false;

    await raw.handshake();
    await ask(1, 'tools/list');
    await ask(2, 'tools/call', { name: 'witness__grow', arguments: { name: 'leaf' } });
    while (!changed) {
      changed = (await raw.heard()).method === 'notifications/tools/list_changed';
    }
    assert.ok((await ask(3, 'tools/list')).tools.some((tool) => tool.name === 'witness__leaf'));
    await raw.close();
  });

  it('runs one instance of a server for all agents', () => {
    assert.equal(noted().filter((line) => line === 'started').length, 1);
  });
});
