// gRPC server reflection (v1 and v1alpha), by which grpcurl and the like learn what a port serves.
// Specification: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md, done by @grpc/reflection over proto/.
// Owns the loading: descriptors and library are read when the first client asks, which is seldom, and not at each start.
import { EventEmitter } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  Metadata,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { asMnemoError, describeError, MnemoError } from './errors.ts'
import type { GrpcService } from './grpc-service.ts'

const versions = ['v1', 'v1alpha'] as const
const same = (bytes: Buffer) => bytes

/** What a stream of requests is answered with, in messages of its own. */
interface Reflection {
  readonly method: MethodDefinition<unknown, unknown>
  readonly handle: (stream: unknown) => void
}

/** The services, for the gRPC services of these names (thanos.Store …), of which only those in proto/ are known. */
export function reflectionServices(names: readonly string[]): GrpcService[] {
  let loading: Promise<readonly Reflection[]> | undefined
  const load = () => {
    loading ??= loadReflections(names)
    return loading
  }
  return versions.map((version, i) => ({
    definition: {
      ServerReflectionInfo: {
        path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
        requestStream: true,
        responseStream: true,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    },
    implementation: {
      ServerReflectionInfo: (call: ServerDuplexStream<Buffer, Buffer>) =>
        void load().then(
          (reflections) => connect(call, reflections[i]!),
          (error) => fail(call, error),
        ),
    },
  }))
}

/** Descriptors of all files in proto/, as the library wants them: encoded, under any name. */
async function loadReflections(names: readonly string[]): Promise<readonly Reflection[]> {
  const [{ ReflectionService }, { default: protobuf }, { default: descriptor }] = await Promise.all([
    import('@grpc/reflection'),
    import('protobufjs'),
    import('protobufjs/ext/descriptor/index.js'),
  ])
  const folder = fileURLToPath(new URL('../../proto/', import.meta.url))
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => (target.startsWith('google/') ? target : folder + target)
  root.loadSync(readdirSync(folder).filter((name) => name.endsWith('.proto'))).resolveAll()
  const { file } = (root as unknown as { toDescriptor(edition: string): { file: object[] } }).toDescriptor('proto3')
  const fileDescriptorProtos = file.map((one) => Buffer.from(descriptor.FileDescriptorProto.encode(one).finish()))
  const found: Reflection[] = []
  const server = {
    addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation) {
      const [method] = Object.values(definition)
      const [handle] = Object.values(implementation)
      found.push({ method: method!, handle: handle as Reflection['handle'] })
    },
  }
  type Service = InstanceType<typeof ReflectionService>
  const files = { files: { fileDescriptorProtos } } as unknown as ConstructorParameters<typeof ReflectionService>[0]
  const service = new ReflectionService(files, { services: [...names] })
  service.addToServer(server as unknown as Parameters<Service['addToServer']>[0])
  if (found.length !== versions.length)
    throw new MnemoError('internal', `cannot reflect: got ${found.length} versions, want ${versions.length}`)
  return found
}

/** Bytes of the call to messages of the library, and back. */
function connect(call: ServerDuplexStream<Buffer, Buffer>, { method, handle }: Reflection): void {
  const stream = Object.assign(new EventEmitter(), {
    write: (response: unknown) => call.write(method.responseSerialize(response)),
    end: () => call.end(),
  })
  handle(stream)
  call.on('data', (bytes: Buffer) => {
    try {
      stream.emit('data', method.requestDeserialize(bytes))
    } catch (error) {
      fail(call, new MnemoError('bad_data', 'cannot read reflection request', { cause: error }))
    }
  })
  call.on('end', () => stream.emit('end'))
}

function fail(call: ServerDuplexStream<Buffer, Buffer>, error: unknown): void {
  const known = asMnemoError(error)
  call.emit('error', { code: known.grpcStatus, details: describeError(known), metadata: new Metadata() })
}
