// What startGrpc() serves: a service's methods and their handlers, as grpc-js has them.
// Apart from grpc.ts, because health and metrics, which that uses, need it too.
// Owns the type alone.
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'

export interface GrpcService {
  readonly definition: ServiceDefinition
  readonly implementation: UntypedServiceImplementation
}
