// A server that takes connections and requests, and never answers: a bucket behind a gateway that hangs.
// Owns the connections until `close`.
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { portOf } from './free-port.ts'

export interface MuteServer {
  readonly port: number
  /** Of a bucket there, for --objstore.config. */
  readonly bucketConfig: string
  close(): Promise<void>
}

export async function startMuteServer(): Promise<MuteServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {}).resume()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  const settings = `bucket: blocks, endpoint: 127.0.0.1:${port}, region: r, insecure: true, access_key: a, secret_key: s`
  return {
    port,
    bucketConfig: `{type: S3, config: {${settings}}}`,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
