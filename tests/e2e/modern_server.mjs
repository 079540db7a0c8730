// An MCP server of the 2026-07-28 revision, by the official SDK, whose tools change and which writes
// down what reaches it. The one argument is the file for its notes.
import fs from 'node:fs';

import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const note = (text) => fs.appendFileSync(process.argv[2], `${text}\n`);
const nothing = { inputSchema: z.object({}) };

note('start');
serveStdio(() => {
  const server = new McpServer({ name: 'modern', version: '1' });
  server.registerTool('echo', { inputSchema: z.object({ message: z.string() }), annotations: { readOnlyHint: true } },
    async ({ message }) => ({ content: [{ type: 'text', text: message }] }));
  server.registerTool('grow', nothing, async () => {
    server.registerTool('grown', nothing, async () => ({ content: [] }));
    server.sendToolListChanged();
    return { content: [] };
  });
  server.registerTool('progress', nothing, async (_, context) => {
    for (let step = 1; step <= 3; step++) {
      await context.mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken: context.mcpReq._meta.progressToken, progress: step, total: 3 },
      });
    }
    return { content: [] };
  });
  server.registerTool('wait', nothing, (_, { mcpReq: { signal } }) => {
    note('call wait');
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        note('cancelled');
        resolve({ content: [] });
      });
    });
  });
  return server;
});
