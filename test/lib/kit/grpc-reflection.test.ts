// Reflection as a plain client sees it, in both versions: which services a port serves, and the files that describe them.
// Subject: lib/kit/grpc-reflection.ts. Messages are coded by hand after grpc/reflection/v1/reflection.proto.
import { Client, credentials, status } from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor/index.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GrpcServer, startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { peerService } from '../../../lib/storeapi/peer-call.ts'
import { int, list, message, optional, text } from '../../../lib/storeapi/proto-message.ts'
import { rulesCall } from '../../../lib/storeapi/rules.ts'
import { targetsCall } from '../../../lib/storeapi/targets.ts'

const request = message('ServerReflectionRequest', {
  fileByFilename: text(3),
  fileContainingSymbol: text(4),
  listServices: text(7),
})
const response = message('ServerReflectionResponse', {
  services: optional(
    6,
    message('ListServiceResponse', { service: list(1, message('ServiceResponse', { name: text(1) })) }),
  ),
  error: optional(7, message('ErrorResponse', { code: int(1), message: text(2) })),
})

let server: GrpcServer
let client: Client
beforeAll(async () => {
  const nothing = async () => ({ items: [], warnings: [] })
  const logger = createLogger({ level: 'silent' })
  const options = { address: '127.0.0.1:0', registry: createRegistry(), probe: new Probe(), logger, graceMs: 0 }
  const services = [peerService(rulesCall, nothing), peerService(targetsCall, nothing)]
  server = await startGrpc({ ...options, signal: new AbortController().signal }, services)
  client = new Client(server.address, credentials.createInsecure())
})
afterAll(async () => {
  client?.close()
  await server?.close()
})

const same = (bytes: Buffer) => bytes

/** The answers to requests over one stream. */
async function ask(version: string, ...requests: readonly Buffer[]): Promise<readonly Buffer[]> {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`
  const call = client.makeBidiStreamRequest<Buffer, Buffer>(path, same, same)
  for (const one of requests) call.write(one)
  call.end()
  return Array.fromAsync(call as AsyncIterable<Buffer>)
}

const asking = (over: Partial<ReturnType<typeof request.empty>>) => request.encode({ ...request.empty(), ...over })

/** The files of an answer to file_containing_symbol: field 4, whose field 1 are encoded descriptors. */
function files(answer: Buffer): readonly protobuf.Message[] {
  const found: Buffer[] = []
  const reader = protobuf.Reader.create(answer)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 !== 4) {
      reader.skipType(tag & 7)
      continue
    }
    const end = reader.uint32() + reader.pos
    while (reader.pos < end) {
      reader.uint32()
      found.push(Buffer.from(reader.bytes()))
    }
  }
  return found.map((bytes) => descriptor.FileDescriptorProto.decode(bytes))
}

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  test('lists what is served, health too, and nothing else', async () => {
    const [answer] = await ask(version, asking({ listServices: '*' }))
    const { services } = response.decode(answer!)
    expect(services!.service.map(({ name }) => name).sort()).toEqual([
      'grpc.health.v1.Health',
      'thanos.Rules',
      'thanos.Targets',
    ])
  })

  test('describes a service and all that its messages need; several questions over one stream', async () => {
    const [rules, nothing] = await ask(
      version,
      asking({ fileContainingSymbol: 'thanos.Rules' }),
      asking({ fileContainingSymbol: 'thanos.Nothing' }),
    )
    const described = files(rules!).map((file) => file.toJSON()) as {
      name: string
      package: string
      service?: { name: string; method: object[] }[]
      messageType?: { name: string; field: { name: string; number: number }[] }[]
    }[]
    const thanos = described.find((file) => file.package === 'thanos')!
    expect(thanos.service!.find(({ name }) => name === 'Rules')!.method).toEqual([
      expect.objectContaining({
        name: 'Rules',
        inputType: '.thanos.RulesRequest',
        outputType: '.thanos.RulesResponse',
        serverStreaming: true,
      }),
    ])
    const group = thanos.messageType!.find(({ name }) => name === 'RuleGroup')!
    expect(group.field.find(({ number }) => number === 9)!.name).toBe('limit')
    expect(described.map((file) => file.package)).toContain('google.protobuf')
    const { error } = response.decode(nothing!)
    expect(error!.code).toBe(status.NOT_FOUND)
  })
})
