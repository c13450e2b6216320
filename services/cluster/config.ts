// Flags of `mnemo cluster` and where each of its parts listens.
// Everything stays on loopback unless a flag says otherwise.
// Owns the ports and the folders below the data folder.
import path from 'node:path'
import { type FlagValues, stringFlag } from '../../lib/kit/flags.ts'
import { logFlags } from '../../lib/kit/lifecycle.ts'

const address = (name: string, part: string, port: number) =>
  stringFlag(name, { help: `Where ${part} listens.`, default: `127.0.0.1:${port}` })

export const flags = {
  ...logFlags,
  dataDir: stringFlag('data-dir', {
    help: 'Folder for the bucket, the logs and what each part keeps; made where it is missing.',
    default: './data',
  }),
  prometheus: stringFlag('prometheus', {
    help: 'The Prometheus to run two replicas of: a path, or a name on the PATH. Blank: none, the bucket is filled with made-up series.',
    default: 'prometheus',
  }),
  queryHttp: address('query.http-address', "the querier's HTTP API", 10902),
  queryGrpc: address('query.grpc-address', "the querier's gRPC health", 10903),
  storeHttp: address('store.http-address', "the store's HTTP", 10904),
  storeGrpc: address('store.grpc-address', "the store's StoreAPI", 10905),
  sidecarAHttp: address('sidecar-a.http-address', "the first sidecar's HTTP", 10906),
  sidecarAGrpc: address('sidecar-a.grpc-address', "the first sidecar's StoreAPI", 10907),
  sidecarBHttp: address('sidecar-b.http-address', "the second sidecar's HTTP", 10908),
  sidecarBGrpc: address('sidecar-b.grpc-address', "the second sidecar's StoreAPI", 10909),
  compactHttp: address('compact.http-address', "the compactor's HTTP", 10912),
  prometheusA: address('prometheus-a.address', 'the first Prometheus', 10913),
  prometheusB: address('prometheus-b.address', 'the second Prometheus', 10914),
}

export type ClusterConfig = FlagValues<typeof flags>

/** Folders below the data folder, absolute. */
export function folders(config: ClusterConfig) {
  const data = path.resolve(config.dataDir)
  const below = (...parts: string[]) => path.join(data, ...parts)
  return { data, bucket: below('bucket'), logs: below('logs'), below }
}
