// A McpService of grpc-js: a foreign end for the gateway, that does what a test tells it to.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const proto = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../proto');
const definition = loader.loadSync('flowbalancer/v1/mcp.proto', {
  includeDirs: [proto],
  keepCase: true,
  longs: Number,
  enums: String,
  oneofs: true,
  defaults: true,
});
const { McpService } = grpc.loadPackageDefinition(definition).flowbalancer.v1;

const json = (value) => Buffer.from(JSON.stringify(value));
const text = (string) => ({ content: [{ type: 'text', text: string }] });
const tool = (name, extra = {}) => ({ name, description: name, inputSchema: { type: 'object' }, ...extra });

export class Service {
  // What was asked, for tests to look at.
  contexts = [];
  cancelled = [];
  lists = 0;
  listeners = new Set();
  version = 1;
  tools = [
    tool('test__echo'),
    tool('test__slow', { title: 'Slow', annotations: { readOnlyHint: true } }),
    tool('test__big'),
    tool('test__fail'),
    tool('test__meta'),
    tool('test__structured', { outputSchema: { type: 'object', properties: { n: { type: 'number' } } } }),
    tool('test__list', { outputSchema: { type: 'array', items: {} } }),
  ];

  static async listen(address, credentials = grpc.ServerCredentials.createInsecure()) {
    const service = new Service();
    const server = new grpc.Server({ 'grpc.max_receive_message_length': 32 << 20, 'grpc.max_send_message_length': 32 << 20 });
    server.addService(McpService.service, {
      ListTools: (call, done) => service.listTools(call, done),
      CallTool: (call) => service.callTool(call),
      Listen: (call) => service.listenTo(call),
    });
    service.server = server;
    service.port = await new Promise((resolve, reject) => {
      server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
    return service;
  }

  close() {
    this.server.forceShutdown();
  }

  listTools(call, done) {
    this.lists += 1;
    this.contexts.push(call.request.context);
    done(null, {
      items_json: this.tools.map(json),
      version: `v${this.version}`,
      ttl_ms: 1000,
      cache_scope: 'CACHE_SCOPE_PUBLIC',
    });
  }

  // The list has another tool now; who listens is told.
  grow() {
    this.version += 1;
    this.tools.push(tool(`test__new${this.version}`));
    for (const call of this.listeners) {
      call.write({ list_changed: { kind: 'LIST_KIND_TOOLS', version: `v${this.version}` } });
    }
  }

  listenTo(call) {
    call.write({ acknowledged: { lists: ['LIST_KIND_TOOLS'] } });
    this.listeners.add(call);
    call.on('cancelled', () => this.listeners.delete(call));
  }

  callTool(call) {
    this.metadata = call.metadata;
    const { context, arguments_json: bytes, meta_json: meta } = call.request;
    const args = bytes.length > 0 ? JSON.parse(bytes) : {};
    const result = (value) => {
      call.write({ result: { result_json: json(value), upstream_revision: '2025-11-25' } });
      call.end();
    };

    this.contexts.push(context);
    switch (context.name) {
      case 'test__echo':
        result(text(`Echo: ${args.message}`));
        break;
      case 'test__slow':
        this.slow(call, args, result);
        break;
      case 'test__big':
        result(text('x'.repeat(args.bytes)));
        break;
      case 'test__meta':
        result(text(meta.toString()));
        break;
      case 'test__structured':
        result({ structuredContent: { n: 1 }, ...text('{"n":1}') });
        break;
      case 'test__list':
        result({ structuredContent: [1], ...text('[1]') });
        break;
      case 'test__fail': {
        const trailers = new grpc.Metadata();
        if (args.reason) {
          trailers.set('flowbalancer-reason', args.reason);
        }
        call.emit('error', { code: args.code, details: args.details ?? 'told to', metadata: trailers });
        break;
      }
      default:
        call.emit('error', { code: grpc.status.NOT_FOUND, details: `there is no tool ${context.name}` });
    }
  }

  // Tells `steps` of progress at once, then waits to be released or cancelled.
  slow(call, args, result) {
    const entry = { key: args.key, release: () => result(text('done')) };

    for (let i = 1; i <= (args.steps ?? 0); i += 1) {
      call.write({ progress: { params_json: json({ progress: i, total: args.steps, message: `step ${i}` }) } });
    }
    call.on('cancelled', () => this.cancelled.push(entry.key));
    this.waiting = entry;
    this.onSlow?.(entry);
  }
}
