// What our own tools cost an agent, counted in tokens of o200k.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';

import { Raw, modernMeta, scratch } from './gateway.mjs';

const { McpService, FlowService } = grpc.loadPackageDefinition(loader.loadSync(
  ['flowbalancer/v1/mcp.proto', 'flowbalancer/v1/flow.proto'],
  { includeDirs: [path.join(import.meta.dirname, '../../../proto')], keepCase: true, longs: Number, enums: String, oneofs: true, defaults: true },
)).flowbalancer.v1;

const count = (value) => encode(typeof value === 'string' ? value : JSON.stringify(value)).length;
const prose = 'Read every record of the legacy export, map its fields onto the new schema and keep unknown keys verbatim. ';
const many = (times, text) => text.repeat(times);

const task = (number, more = {}) => ({
  task: number,
  title: `Migrate the ${number % 2 ? 'customer' : 'invoice'} records of region ${number} to the new schema`,
  state: 'FLOW_TASK_STATE_QUEUED',
  ready: true,
  weight: 5,
  priority: 2,
  ...more,
});

const claim = (number, text) => ({
  task: task(number, { state: 'FLOW_TASK_STATE_ACTIVE', ready: false, percent: 40, body: many(text, prose), accept: many(text, prose) }),
  fence: 270 + number,
  lease_ms: 1800000,
  finished: Array.from({ length: 16 }, (_, i) => task(100 + i, { summary: many(text, prose) })),
  notes: Array.from({ length: 4 }, () => many(text, prose)),
});

const line = {
  session: 'migration', name: 'migration', state: 'FLOW_STATE_FLOWING', momentum: 64, progress: 33, tasks: 120, ready: 14, active: 6,
  blocked: 3, resting: 2, completed: 88, failed: 4, cancelled: 3, agents: 6, alarms: 2, seq: 4711, load: 26, load_most: 30,
};

// Everything that a session can hold, and more of it than is told.
const rich = (held) => ({
  line,
  held: Array.from({ length: held }, (_, i) => claim(12 + i, 40)),
  ready: [21, 22, 23].map((number) => task(number, { title: many(4, task(number).title) })),
  conflicts: Array.from({ length: 8 }, (_, i) => `task ${i}: title is "${many(3, prose)}" here and "${many(3, prose)}" there`),
  alarms: [{ kind: 'stalled', task: 4, evidence: prose, suggestion: prose }],
});

describe('the tokens of our own tools', () => {
  const dir = scratch();
  let server;
  let raw;
  let id = 0;
  let opened;

  const call = async (name, args) => {
    id += 1;
    raw.say({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, _meta: modernMeta } });
    return (await raw.heard()).result;
  };

  before(async () => {
    server = new grpc.Server();
    server.addService(McpService.service, { ListTools: (_, done) => done(null, { items_json: [], version: '1' }) });
    server.addService(FlowService.service, {
      OpenSession: (_, done) => done(null, opened),
      Next: (stream) => {
        stream.write({ claims: [{ ...claim(12, 1), finished: [task(11, { summary: 'recursive descent, no tree' })], notes: ['the scanner is enough'] }] });
        stream.end();
      },
      Find: (stream) => {
        stream.write({ total: 20, found: Array.from({ length: 20 }, (_, i) => ({ session: 'migration', task: task(i + 1) })) });
        stream.end();
      },
      Status: (_, done) => done(null, {
        line,
        forecast: { completion: [15, 30, 60, 120].map((minutes) => ({ horizon_ms: minutes * 60000, probability: 0.62, model: true, skill: 0.15 })), remaining_p50_ms: 7200000, remaining_p90_ms: 18000000 },
      }),
    });
    await new Promise((resolve, reject) => {
      server.bindAsync(`unix:${dir}/s`, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
    raw = new Raw(['--router', `unix:${dir}/s`]);
  });

  after(async () => {
    await raw.close();
    server.forceShutdown();
    fs.rmSync(dir, { recursive: true });
  });

  it('are at most 1,800 for names, descriptions and schemas of all eight, annotations and all', async () => {
    raw.say({ jsonrpc: '2.0', id: 0, method: 'tools/list', params: { _meta: modernMeta } });
    const { tools } = (await raw.heard()).result;
    const parts = tools.map((tool) => [tool.name, tool.description, tool.inputSchema, tool.outputSchema].map(count));
    const sum = parts.flat().reduce((a, b) => a + b);

    console.log(`# ${tools.length} tools: ${sum} tokens by their parts, ${count(tools)} as the whole list`);
    assert.equal(tools.length, 8);
    assert.ok(sum <= 1800);
    assert.ok(count(tools) <= 1800);
  });

  for (const held of [0, 1, 2, 4, 9]) {
    it(`are at most 600 for the whole reply of flow_open to an agent with ${held} tasks`, async () => {
      opened = rich(held);
      const result = await call('flow_open', { name: 'migration', agent: 'ada' });
      const tokens = count({ content: result.content, structuredContent: result.structuredContent });

      console.log(`# ${tokens} tokens with ${held} held, ${count(result.content[0].text)} of them the text`);
      assert.ok(tokens <= 600);
      assert.equal(result.structuredContent.session, 'migration@ada');
      assert.equal(result.structuredContent.held.length, Math.min(held, 4));
      assert.equal(result.structuredContent.ready.length, 3);
      assert.ok(result.structuredContent.conflicts.length > 0);
    });
  }

  it('are few for what is read most often', async () => {
    const texts = {
      claim: (await call('flow_next', { session: 'migration@ada' })).content[0].text,
      status: (await call('flow_status', { session: 'migration@ada' })).content[0].text,
      lines: (await call('flow_find', { session: 'migration@ada' })).content[0].text,
    };

    console.log(`# claim ${count(texts.claim)}, status ${count(texts.status)}, twenty lines ${count(texts.lines)}`);
    assert.ok(count(texts.claim) <= 160, texts.claim);
    assert.ok(count(texts.status) <= 100, texts.status);
    assert.ok(count(texts.lines) <= 450, texts.lines);
  });
});
