// The official clients drive the gateway; behind it is a foreign gRPC server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';

import { gateway, scratch, until } from './gateway.mjs';
import { Service } from './service.mjs';

const run = promisify(execFile);
const own = ['open', 'plan', 'next', 'pulse', 'done', 'find', 'status', 'edit'].map((name) => `flow_${name}`);
const info = { name: 'test', version: '1' };

const kinds = [
  { title: 'SDK v1', Client: ClientV1, Transport: StdioV1, options: {}, era: 'legacy' },
  { title: 'SDK v2, legacy', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: 'legacy' } }, era: 'legacy' },
  { title: 'SDK v2, auto', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: 'auto', probe: { timeoutMs: 5000 } } }, era: 'modern' },
  { title: 'SDK v2, pinned', Client: ClientV2, Transport: StdioV2, options: { versionNegotiation: { mode: { pin: '2026-07-28' } } }, era: 'modern' },
];

for (const { title, Client, Transport, options, era } of kinds) {
  describe(title, () => {
    let dir;
    let service;
    let client;
    const errors = [];

    before(async () => {
      dir = scratch();
      service = await Service.listen(`unix:${dir}/s`);
      client = new Client(info, { capabilities: {}, ...options });
      client.onerror = (error) => errors.push(error);
      await client.connect(new Transport({ command: gateway, args: ['--router', `unix:${dir}/s`], stderr: 'inherit' }));
    });

    after(() => {
      service.close();
      fs.rmSync(dir, { recursive: true });
    });

    it('connects in its era without anything being dialled', () => {
      assert.equal(client.getServerVersion().name, 'flow-balancer');
      if (client.getProtocolEra) {
        assert.equal(client.getProtocolEra(), era);
      }
      assert.equal(service.contexts.length, 0);
    });

    it('lists our own tools, then those of the servers under their prefixed names, twice the same', async () => {
      const { tools } = await client.listTools();

      assert.deepEqual(tools.map((tool) => tool.name), [...own, ...service.tools.map((tool) => tool.name)]);
      assert.deepEqual((await client.listTools()).tools, tools);
    });

    it('gets to each of 500 calls at once its own answer', async () => {
      await Promise.all(Array.from({ length: 500 }, async (_, k) => {
        const result = await client.callTool({ name: 'test__echo', arguments: { message: `m${k}` } });

        assert.equal(result.content[0].text, `Echo: m${k}`);
      }));
    });

    it('is told of progress before the answer', async () => {
      const steps = [];

      // Released when it has come: of what comes in one read the SDKs take the answer first.
      const result = await client.callTool({ name: 'test__slow', arguments: { steps: 3 } }, ...(Client === ClientV1 ? [undefined] : []), {
        onprogress: (progress) => {
          steps.push(progress.progress);
          if (progress.progress === 3) {
            service.waiting.release();
          }
        },
      });
      assert.deepEqual(steps, [1, 2, 3]);
      assert.equal(result.content[0].text, 'done');
    });

    it('has its cancellation reach the suite', async () => {
      const abort = new AbortController();

      service.onSlow = () => abort.abort('enough');
      await assert.rejects(client.callTool({ name: 'test__slow', arguments: { key: title } }, ...(Client === ClientV1 ? [undefined] : []), {
        signal: abort.signal,
      }));
      await until(() => service.cancelled.includes(title), 'the call to be cancelled');
    });

    it('is refused a tool that nobody has', async () => {
      await assert.rejects(client.callTool({ name: 'test__none', arguments: {} }), (error) => error.code === -32602);
    });

    it('reads why a tool failed in its result', async () => {
      const result = await client.callTool({ name: 'test__fail', arguments: { code: 9, details: 'cannot start' } });

      assert.equal(result.isError, true);
      assert.match(result.content[0].text, /cannot start/);
    });

    it('can read structured results, and lists that older revisions lack', async () => {
      const structured = await client.callTool({ name: 'test__structured', arguments: {} });
      const list = await client.callTool({ name: 'test__list', arguments: {} });

      assert.deepEqual(structured.structuredContent, { n: 1 });
      assert.deepEqual(list.structuredContent, era === 'modern' ? [1] : undefined);
      assert.equal(list.content[0].text, '[1]');
    });

    it('gets results up to what it can read, and an error of the tool beyond', async () => {
      const most = await client.callTool({ name: 'test__big', arguments: { bytes: 9_900_000 } });
      const more = await client.callTool({ name: 'test__big', arguments: { bytes: 10_100_000 } });

      assert.equal(most.content[0].text.length, 9_900_000);
      assert.equal(more.isError, true);
      assert.match(more.content[0].text, /cannot be handed on/);
    });

    if (era === 'legacy') {
      it('is answered a ping', async () => {
        await client.ping();
      });

      it('is told when the list of tools has changed', async () => {
        let told = 0;

        client.setNotificationHandler(
          Client === ClientV1
            ? (await import('@modelcontextprotocol/sdk/types.js')).ToolListChangedNotificationSchema
            : 'notifications/tools/list_changed',
          () => {
            told += 1;
          },
        );
        await client.listTools();
        await until(() => service.listeners.size > 0, 'the gateway to listen');
        service.grow();
        await until(() => told > 0, 'the notification');
        assert.ok((await client.listTools()).tools.some((tool) => tool.name === 'test__new2'));
      });
    }

    it('is left without an error, in less than two seconds', async () => {
      const begin = Date.now();

      await client.close();
      assert.ok(Date.now() - begin < 2000);
      assert.deepEqual(errors.map(String), []);
    });
  });
}

describe('Inspector', () => {
  const inspector = path.join(import.meta.dirname, '../../node_modules/.bin/mcp-inspector');
  let dir;
  let service;

  before(async () => {
    dir = scratch();
    service = await Service.listen(`unix:${dir}/s`);
  });

  after(() => {
    service.close();
    fs.rmSync(dir, { recursive: true });
  });

  const inspect = async (...args) => {
    const { stdout } = await run(process.execPath, [inspector, '--cli', '--format', 'json', '-q', ...args, gateway, '--router', `unix:${dir}/s`]);

    return JSON.parse(stdout);
  };

  it('lists tools that pass its strict checks', async () => {
    const answer = await inspect('--strict', '--method', 'tools/list');

    assert.equal((answer.result ?? answer).tools.length, own.length + service.tools.length);
  });

  for (const era of ['legacy', 'modern', 'auto']) {
    it(`calls a tool in the era ${era}`, async () => {
      const answer = await inspect('--protocol-era', era, '--method', 'tools/call', '--tool-name', 'test__echo', '--tool-args-json', '{"message":"hi"}');

      assert.equal((answer.result ?? answer).content[0].text, 'Echo: hi');
    });
  }

  it('loads it with 2,000 modern calls, 64 at once', async () => {
    const { stdout } = await run(process.execPath, [
      inspector, '--cli', '-q', '--protocol-era', 'modern', '--method', 'tools/call', '--tool-name', 'test__echo',
      '--tool-args-json', '{"message":"x"}', '--load', '--load-concurrency', '64', '--load-requests', '2000',
      gateway, '--router', `unix:${dir}/s`,
    ]);

    assert.match(stdout, /2000|2,000/);
  });
});
