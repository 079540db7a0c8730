// Lists the tools of a flow-balancer, or calls one.
//
//     (cd clients/node && npm install)
//     node clients/node/example.mjs
//     node clients/node/example.mjs everything__echo '{"message": "hello"}'
//     node clients/node/example.mjs --target router.example:7070 --ca ca.pem --cert me.pem --key me.key

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const protos = fileURLToPath(new URL('../../proto', import.meta.url))
const { flowbalancer } = grpc.loadPackageDefinition(
    loadSync('flowbalancer/v1/mcp.proto', {
        includeDirs: [protos],
        keepCase: true,
        longs: Number,
        enums: String,
        defaults: true,
        oneofs: true,
    }),
)

const usage = `Usage: example.mjs [options] [TOOL [JSON]]

Lists the tools of a flow-balancer, or calls TOOL, which is named SERVER__TOOL.

  --target ADDRESS     the router [that of this machine]
  --ca FILE            certificates that are trusted (PEM); asks for TLS
  --cert FILE          our certificate (PEM)
  --key FILE           its key (PEM)
  --server-name NAME   the name to verify instead of the target's
  --timeout SECONDS    [60]
`

// Plain, with TLS (--ca) or with mutual TLS (--cert and --key, too).
function dial(options) {
    const read = (path) => (path === undefined ? null : readFileSync(path))
    const channel = { 'grpc.max_receive_message_length': 16 << 20 } // a result may have 12 MiB
    const credentials =
        options.ca === undefined
            ? grpc.credentials.createInsecure()
            : grpc.credentials.createSsl(read(options.ca), read(options.key), read(options.cert))

    if (options['server-name'] !== undefined) {
        channel['grpc.ssl_target_name_override'] = options['server-name']
    }
    return new flowbalancer.v1.McpService(options.target, credentials, channel)
}

// Field 1 of every request. A tool is named SERVER__TOOL; the router goes by the server.
function context(name = '') {
    return { agent: `node-example-${process.pid}`, server: name.split('__')[0], name }
}

const deadline = (seconds) => ({ deadline: Date.now() + seconds * 1000 })

// All pages of the list, each tool as an object.
async function* tools(mcp, timeout) {
    const list = promisify(mcp.ListTools.bind(mcp))
    let cursor = ''

    do {
        const page = await list({ context: context(), cursor, wait_ms: 10000 }, deadline(timeout))

        for (const item of page.items_json) {
            yield JSON.parse(item)
        }
        for (const pending of page.pending_servers) {
            console.error(`not in the list: ${pending.server}: ${pending.detail}`)
        }
        cursor = page.next_cursor
    } while (cursor !== '')
}

// The result of a tool. Its progress goes to standard error.
async function call(mcp, name, args, timeout) {
    const request = {
        context: context(name),
        arguments_json: Buffer.from(JSON.stringify(args)),
        progress: true,
    }

    for await (const event of mcp.CallTool(request, deadline(timeout))) {
        switch (event.event) {
            case 'progress':
                console.error('progress:', String(event.progress.params_json))
                break
            case 'result':
                return JSON.parse(event.result.result_json)
            case 'error':
                throw new Error(`the server says ${event.error.code}: ${event.error.message}`)
            case 'input_wanted':
                throw new Error('the tool asks for input, which this example does not give')
        }
    }
    throw new Error('the stream ended without a result')
}

async function main() {
    const { values: options, positionals } = parseArgs({
        allowPositionals: true,
        options: {
            target: {
                type: 'string',
                default: `unix:${homedir()}/.local/state/flow-balancer/run/router.sock`,
            },
            ca: { type: 'string' },
            cert: { type: 'string' },
            key: { type: 'string' },
            'server-name': { type: 'string' },
            timeout: { type: 'string', default: '60' },
            help: { type: 'boolean' },
        },
    })
    const [name, args = '{}'] = positionals
    const timeout = Number(options.timeout)

    if (options.help) {
        process.stdout.write(usage)
        return
    }
    const mcp = dial(options)
    try {
        if (name === undefined) {
            for await (const tool of tools(mcp, timeout)) {
                console.log(tool.name)
            }
            return
        }
        const result = await call(mcp, name, JSON.parse(args), timeout)
        console.log(JSON.stringify(result, null, 2))
        process.exitCode = result.isError ? 1 : 0
    } finally {
        mcp.close()
    }
}

main().catch((error) => {
    const status = grpc.status[error.code]

    console.error(status === undefined ? error.message : `${status}: ${error.details}`)
    process.exitCode = 1
})
