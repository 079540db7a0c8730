// An agent on an official MCP client, a process of its own with a gateway of its own.
//
//     sdk_agent.mjs GATEWAY SESSION AGENT OUT v1|v2|v2-legacy plan FILE
//     sdk_agent.mjs GATEWAY SESSION AGENT OUT v1|v2|v2-legacy work [MILLISECONDS]
//
// `plan` opens the session and plans what FILE says. `work` works it off to its end: one
// flow_done{next:true} for each task, each after so many milliseconds; only when there is nothing to do
// it asks, and waits. Writes one line of JSON to OUT for each call, as flow_agent.py does.
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [gateway, session, agent, out, kind, mode, more] = process.argv.slice(2);
const WAIT_S = 2;

async function connect() {
  const info = { name: 'sdk-agent', version: '1' };
  const v1 = kind === 'v1';
  const { Client } = await import(v1 ? '@modelcontextprotocol/sdk/client/index.js' : '@modelcontextprotocol/client');
  const { StdioClientTransport } = await import(
    v1 ? '@modelcontextprotocol/sdk/client/stdio.js' : '@modelcontextprotocol/client/stdio');
  const options = { v1: {}, v2: { versionNegotiation: { mode: { pin: '2026-07-28' } } }, 'v2-legacy': { versionNegotiation: { mode: 'legacy' } } };
  const client = new Client(info, { capabilities: {}, ...options[kind] });

  await client.connect(new StdioClientTransport({ command: gateway, args: [], env: process.env, stderr: 'ignore' }));
  return client;
}

const client = await connect();
let said = 0;

// What the tool answered; null for a refusal, which is noted like all else.
async function tell(tool, text, args, task) {
  const result = await client.callTool({ name: tool, arguments: args });
  const record = { tool, text, outcome: result.isError ? 'refused' : 'done', task: task?.task, fence: task?.fence };

  if (result.isError) {
    record.why = result.content[0].text;
  }
  fs.appendFileSync(out, `${JSON.stringify(record)}\n`);
  return result.isError ? null : result.structuredContent;
}

async function work(handle, held) {
  let mine = held;

  for (;;) {
    if (mine === undefined) {
      const answer = await tell('flow_next', '', { session: handle, wait_s: WAIT_S });

      if (answer?.finished) {
        return;
      }
      mine = answer?.tasks?.[0];
      continue;
    }
    await sleep(Number(more ?? 0));
    said += 1;
    const summary = `summary-${agent}-${said}`;
    const answer = await tell('flow_done', summary,
      { session: handle, task: `#${mine.task}`, fence: mine.fence, summary, next: true }, mine);

    if (answer?.finished) {
      return;
    }
    mine = answer?.next?.task === undefined ? undefined : answer.next;
  }
}

const opened = await tell('flow_open', '', { name: session, agent });

if (mode === 'plan') {
  const planned = await tell('flow_plan', '', { session: opened.session, tasks: JSON.parse(fs.readFileSync(more, 'utf8')) });

  process.exitCode = planned === null ? 1 : 0;
} else {
  await work(opened.session, opened.held?.[0]);
}
await client.close();
