// Addresses to listen at, as Go writes them: host:port, :port, [::1]:port.
// Owns their parsing and what is said where one cannot be listened at.
import { MnemoError } from './errors.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** The parts of an address; port 0 lets the system choose. Throws `config`. */
export function parseListenAddress(address: string): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address)
  const port = Number(match?.[3])
  if (!match || port > 65_535)
    throw new MnemoError('config', `cannot listen: got address "${address}", want host:port, e.g. 0.0.0.0:10902`)
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port }
}

/** host:port with an IPv6 host in brackets. */
export function formatAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The `config` error of an address that cannot be listened at (port taken, not this machine's, no permission). */
export function listenError(address: string, cause: unknown): MnemoError {
  return new MnemoError('config', `cannot listen at ${address}`, { cause })
}
