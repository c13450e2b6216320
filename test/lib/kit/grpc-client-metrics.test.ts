// Calls that a client makes are counted and timed, those of worker threads too.
// Subject: lib/kit/grpc-client-metrics.ts, over a real server. Owns both ends.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { type GrpcServer, startGrpc } from '../../../lib/kit/grpc.ts'
import { clientCallMetrics, observeClientCalls, reportClientCalls } from '../../../lib/kit/grpc-client-metrics.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { createStoreClient } from '../../../lib/storeapi/client.ts'
import { peerService } from '../../../lib/storeapi/peer-call.ts'
import { rulesCall } from '../../../lib/storeapi/rules.ts'

let server: GrpcServer
beforeAll(async () => {
  const logger = createLogger({ level: 'silent' })
  const options = { address: '127.0.0.1:0', registry: createRegistry(), probe: new Probe(), logger, graceMs: 0 }
  const service = peerService(rulesCall, async ({ files }) => {
    if (files.length > 0) throw new MnemoError('unavailable', 'away')
    return { items: [], warnings: [] }
  })
  server = await startGrpc({ ...options, signal: new AbortController().signal }, [service])
})
afterAll(async () => server?.close())

const { signal } = new AbortController()
const request = rulesCall.request.empty()
const labels = 'grpc_type="server_stream",grpc_service="thanos.Rules",grpc_method="Rules"'

type Calls = ReturnType<typeof clientCallMetrics>

test.each([
  ['this thread', (calls: Calls) => calls],
  ['another thread, which reports', (calls: Calls) => reportClientCalls((sent) => calls.replay(structuredClone(sent)))],
])('calls of %s', async (_who, observerOf) => {
  const registry = createRegistry()
  const calls = clientCallMetrics(registry)
  const client = createStoreClient(server.address, { interceptors: [observeClientCalls(observerOf(calls))] })
  await client.ask(rulesCall, request, signal)
  await expect(client.ask(rulesCall, { ...request, files: ['x'] }, signal)).rejects.toMatchObject({
    code: 'unavailable',
  })
  await expect(client.info(signal)).rejects.toMatchObject({ code: 'unsupported' })
  await vi.waitFor(async () => {
    const text = await registry.metrics()
    expect(text).toContain(`grpc_client_started_total{${labels}} 2`)
    expect(text).toContain(`grpc_client_handled_total{${labels},grpc_code="OK"} 1`)
    expect(text).toContain(`grpc_client_handled_total{${labels},grpc_code="Unavailable"} 1`)
    expect(text).toContain(`grpc_client_handling_seconds_count{${labels}} 2`)
    expect(text).toMatch(
      /grpc_client_handled_total\{grpc_type="unary",.*grpc_method="Info",grpc_code="Unimplemented"\} 1/,
    )
  }, 20_000)
  client.close()
})
