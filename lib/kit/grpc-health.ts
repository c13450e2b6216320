// gRPC's health service (grpc.health.v1): Check and Watch, for the whole server ('') and for each service in it.
// Specification: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
// Owns nothing but the watchers; the probe holds the state.
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { grpc as proto } from '../../build/proto.js'
import type { GrpcService } from './grpc-service.ts'
import type { Probe } from './probe.ts'

const { HealthCheckRequest, HealthCheckResponse } = proto.health.v1
const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse.ServingStatus

interface HealthRequest {
  readonly service: string
}

const codec = {
  requestSerialize: (request: HealthRequest) => Buffer.from(HealthCheckRequest.encode(request).finish()),
  requestDeserialize: (bytes: Buffer): HealthRequest => HealthCheckRequest.decode(bytes),
  responseSerialize: (serving: number) => Buffer.from(HealthCheckResponse.encode({ status: serving }).finish()),
  responseDeserialize: (bytes: Buffer): number => HealthCheckResponse.decode(bytes).status,
}

/** Also what a client of the health service needs. Answers are ServingStatus's numbers. */
export const healthDefinition = {
  Check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...codec },
  Watch: { path: '/grpc.health.v1.Health/Watch', requestStream: false, responseStream: true, ...codec },
} satisfies ServiceDefinition

/** The health of a probe: SERVING while it is healthy and ready. stop() says NOT_SERVING for good and ends the watchers. */
export function healthService(probe: Probe, names: readonly string[]): { service: GrpcService; stop(): void } {
  const known = new Set(['', ...names])
  const watchers = new Map<ServerWritableStream<HealthRequest, number>, number>()
  let stopped = false
  const servingOf = (name: string) => {
    if (!known.has(name)) return SERVICE_UNKNOWN
    return !stopped && probe.isHealthy && probe.isReady ? SERVING : NOT_SERVING
  }
  const tell = (call: ServerWritableStream<HealthRequest, number>) => {
    const serving = servingOf(call.request.service)
    if (watchers.get(call) === serving) return
    watchers.set(call, serving)
    call.write(serving)
  }
  const unlisten = probe.onChange(() => {
    for (const call of watchers.keys()) tell(call)
  })
  const implementation = {
    Check(call: ServerUnaryCall<HealthRequest, number>, callback: sendUnaryData<number>) {
      const serving = servingOf(call.request.service)
      if (serving !== SERVICE_UNKNOWN) callback(null, serving)
      else callback({ code: status.NOT_FOUND, details: `unknown service "${call.request.service}"` })
    },
    Watch(call: ServerWritableStream<HealthRequest, number>) {
      call.on('cancelled', () => watchers.delete(call))
      tell(call)
    },
  }
  const stop = () => {
    stopped = true
    unlisten()
    for (const call of watchers.keys()) {
      tell(call)
      call.end()
    }
    watchers.clear()
  }
  return { service: { definition: healthDefinition, implementation }, stop }
}
