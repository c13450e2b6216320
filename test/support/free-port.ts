// Free TCP ports on loopback.
// The kernel picks them: all are bound at once, so that they differ, then let go.
// Owns nothing; another process may take a port before it is used, which starters meet with a second try.
import { createServer, type Server } from 'node:net'

/** `count` ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen))
  const ports = servers.map(portOf)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** One port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port!
}

/** The port a listening server has. */
export function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error(`no port: ${address}`)
  return address.port
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}
