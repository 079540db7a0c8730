// The gateway under test, and the small things that its tests share.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const gateway = path.join(process.env.FB_BIN ?? '', 'flow-gateway');

// A folder for sockets: the path of a Unix socket is short.
export function scratch() {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'fb-'));
}

// Resolves when `check` is true; it is asked again whenever the event loop is idle. One deadline.
export async function until(check, what, ms = 20000) {
  const end = Date.now() + ms;

  while (!(await check())) {
    if (Date.now() > end) {
      throw new Error(`waited in vain: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

// The gateway spoken to line by line, for what no SDK lets one say.
export class Raw {
  static open = new Set();

  // What a failed test has left behind.
  static killAll() {
    for (const raw of Raw.open) {
      raw.child.kill('SIGKILL');
    }
  }

  lines = [];
  rest = '';

  constructor(args, options = {}) {
    this.child = spawn(gateway, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    Raw.open.add(this);
    this.child.on('exit', () => Raw.open.delete(this));
    this.child.stdin.on('error', () => {});
    this.stderr = '';
    this.child.stderr.on('data', (bytes) => {
      this.stderr += bytes;
    });
    this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
    this.child.stdout.setEncoding('utf8');
    this.child.stdout.on('data', (bytes) => {
      const parts = bytes.split('\n'); // not of all that came before: lines may be long

      parts[0] = this.rest + parts[0];
      this.rest = parts.pop();
      this.lines.push(...parts);
      this.arrived?.();
    });
    this.child.stdout.on('end', () => this.arrived?.());
  }

  write(bytes) {
    this.child.stdin.write(bytes);
  }

  say(message) {
    this.write(`${JSON.stringify(message)}\n`);
  }

  // The next line as it came.
  async line(ms = 20000) {
    const end = Date.now() + ms;

    while (this.lines.length === 0) {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no line in ${ms} ms; ${this.stderr}`)), end - Date.now());

        this.arrived = () => {
          clearTimeout(timer);
          resolve();
        };
        if (this.child.stdout.readableEnded) {
          this.arrived();
        }
      });
      if (this.lines.length === 0 && this.child.stdout.readableEnded) {
        return undefined;
      }
    }
    return this.lines.shift();
  }

  async heard() {
    return JSON.parse(await this.line());
  }

  async handshake(protocolVersion = '2025-11-25') {
    this.say({
      jsonrpc: '2.0',
      id: 'handshake',
      method: 'initialize',
      params: { protocolVersion, capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
    });
    const answer = await this.heard();

    this.say({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return answer.result;
  }

  async close() {
    this.child.stdin.end();
    return this.exited;
  }
}
