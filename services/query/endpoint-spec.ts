// An endpoint of the querier as flags or a file configure it.
// Owns the shape; discovery.ts makes addresses of it.
// Read from flags in config-endpoints.ts, from YAML in endpoint-config.ts.
import type { ClientTls } from '../../lib/kit/grpc.ts'

/** Not yet resolved. */
export interface EndpointSpec {
  /** host:port, or a dns address. */
  readonly address: string
  /** One of the name's addresses is asked, not each. */
  readonly isGroup: boolean
  readonly isStrict: boolean
  readonly tls: ClientTls | undefined
}
