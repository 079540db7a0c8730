// An MCP server that writes down what reached it: its start, and each cancellation. It can get another tool, and say much.
import fs from 'node:fs';

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const notes = process.argv[2];
const note = (text) => fs.appendFileSync(notes, `${text}\n`);
const server = new McpServer({ name: 'witness', version: '1' });

server.registerTool('wait', { description: 'Answers only when it is cancelled, and then to nobody.', inputSchema: { key: z.string() } }, ({ key }, { signal }) => {
  note(`waits ${key}`);
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      note(`cancelled ${key}`);
      resolve({ content: [] });
    });
  });
});
server.registerTool('grow', { description: 'Adds a tool of the given name.', inputSchema: { name: z.string() } }, ({ name }) => {
  server.registerTool(name, { description: 'New.', inputSchema: {} }, () => ({ content: [] }));
  return { content: [] };
});
server.registerTool('recite', { description: 'Says a line many times.', inputSchema: { line: z.string(), times: z.number() } }, ({ line, times }) => (
  { content: [{ type: 'text', text: line.repeat(times) }] }
));
note('started');
await server.connect(new StdioServerTransport());
