// Plans tasks in a session of a flow-balancer, each after the one before, and works them off.
//
//     (cd clients/node && npm install)
//     node clients/node/session.mjs my-session 'write it' 'test it' 'ship it'

import { randomUUID } from 'node:crypto'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const protos = fileURLToPath(new URL('../../proto', import.meta.url))
const { flowbalancer } = grpc.loadPackageDefinition(
    loadSync('flowbalancer/v1/flow.proto', {
        includeDirs: [protos],
        keepCase: true,
        longs: Number,
        enums: String,
        defaults: true,
        oneofs: true,
    }),
)

const usage = `Usage: session.mjs [options] SESSION TITLE...

Plans tasks in a session, each after the one before, and works them off.

  --actor NAME         who does it [node-example]
  --target ADDRESS     the router [that of this machine]
  --timeout SECONDS    [60]
`

// One agent's calls in one session.
class Session {
    constructor(flow, session, actor, timeout) {
        this.flow = flow
        this.context = { session, agent: `${actor}-${process.pid}` }
        this.actor = actor
        this.timeout = timeout
    }

    // Sends a mutation; where its fate is not known, once more under the same request id.
    async mutate(send, request, fence = 0) {
        const by = { actor: this.actor, request_id: randomUUID(), fence }

        for (let last = false; ; last = true) {
            try {
                const deadline = { deadline: Date.now() + this.timeout * 1000 }
                return await send({ ...request, context: this.context, by }, deadline)
            } catch (error) {
                if (last || error.code !== grpc.status.UNAVAILABLE) {
                    throw error
                }
            }
        }
    }

    call(method, request, fence) {
        return this.mutate(promisify(method.bind(this.flow)), request, fence)
    }

    // Each task after the one before; the numbers of the tasks.
    async plan(titles) {
        const items = titles.map((title, i) => ({
            task: { title, priority: 2 },
            links: i === 0 ? [] : [{ kind: 'FLOW_LINK_KIND_AFTER', item: i }], // the i-th, from 1
        }))
        return (await this.call(this.flow.Plan, { items })).tasks
    }

    // Claims and finishes tasks until none is ready for us; yields what was done.
    async *work() {
        const claims = await this.mutate(async (request, deadline) => {
            const claimed = []

            for await (const answer of this.flow.Next(request, deadline)) {
                claimed.push(...answer.claims)
            }
            return claimed
        }, {})

        while (claims.length > 0) {
            const { task, fence } = claims.pop()
            const request = { task: { task: task.task }, summary: 'done', next: true }
            const answer = await this.call(this.flow.Finish, request, fence)

            yield { task, line: answer.line }
            if (answer.next !== null) {
                claims.push(answer.next)
            }
        }
    }
}

async function main() {
    const { values: options, positionals } = parseArgs({
        allowPositionals: true,
        options: {
            actor: { type: 'string', default: 'node-example' },
            target: {
                type: 'string',
                default: `unix:${homedir()}/.local/state/flow-balancer/run/router.sock`,
            },
            timeout: { type: 'string', default: '60' },
            help: { type: 'boolean' },
        },
    })
    const [id, ...titles] = positionals

    if (options.help || titles.length === 0) {
        process.stdout.write(usage)
        process.exitCode = options.help ? 0 : 1
        return
    }
    const flow = new flowbalancer.v1.FlowService(
        options.target,
        grpc.credentials.createInsecure(), // TLS as in example.mjs
        { 'grpc.max_receive_message_length': 16 << 20 },
    )
    const session = new Session(flow, id, options.actor, Number(options.timeout))
    try {
        await session.call(flow.OpenSession, {})
        await session.plan(titles)
        for await (const { task, line } of session.work()) {
            console.log(`#${task.task} ${task.title}: ${line.progress}% of the session is done`)
        }
    } finally {
        flow.close()
    }
}

main().catch((error) => {
    // The message says what, where and the way out; the trailer, in one word, why.
    const reason = error.metadata?.get('flowbalancer-reason').map((word) => ` (${word})`) ?? ''
    const status = grpc.status[error.code]

    console.error(status === undefined ? error.message : `${status}${reason}: ${error.details}`)
    process.exitCode = 1
})
