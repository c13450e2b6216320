// Addresses that DNS answers: dns+host:port (A and AAAA), dnssrv+name (SRV, its targets looked up), dnssrvnoa+name (SRV alone).
// Meaning: Thanos pkg/discovery/dns. Hosts are looked up as the system does, /etc/hosts included.
// Owns the spelling and the look-up; who asks again and when is the caller's matter.
import { lookup, resolveSrv } from 'node:dns/promises'
import { formatAddress } from './address.ts'
import { MnemoError } from './errors.ts'

export interface DnsAddress {
  readonly kind: 'dns' | 'dnssrv' | 'dnssrvnoa'
  readonly host: string
  /** Undefined where an SRV record says it. */
  readonly port: number | undefined
}

/** What of DNS is needed; tests bring their own. */
export interface DnsResolver {
  /** Addresses of a host; throws with the code ENOTFOUND or ENODATA where there are none. */
  lookup(host: string): Promise<readonly string[]>
  srv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>
}

export const systemResolver: DnsResolver = {
  lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  srv: (name) => resolveSrv(name),
}

/** Undefined where the text has no dns scheme. Throws `config` where it has one and what follows is no address. */
export function parseDnsAddress(text: string): DnsAddress | undefined {
  const [, kind, rest = ''] = /^(dns|dnssrv|dnssrvnoa)\+(.*)$/.exec(text) ?? []
  if (kind !== 'dns' && kind !== 'dnssrv' && kind !== 'dnssrvnoa') return undefined
  const [, host, digits] = /^(\[[^\]]+\]|[^:/\s]+)(?::(\d{1,5}))?$/.exec(rest) ?? []
  const port = digits === undefined ? undefined : Number(digits)
  const isPort = port === undefined ? kind !== 'dns' : port > 0 && port <= 65_535
  if (host === undefined || !isPort) {
    const want = kind === 'dns' ? 'dns+host:port' : `${kind}+name, with :port where the records' own is not meant`
    throw new MnemoError('config', `cannot read address: got "${text}", want ${want}`)
  }
  return { kind, host, port }
}

/** The address's host:port, ascending, each once; none where the name is not known. Throws `unavailable` where DNS fails. */
export async function resolveDnsAddress(
  { kind, host, port }: DnsAddress,
  resolver: DnsResolver = systemResolver,
): Promise<readonly string[]> {
  const found = new Set<string>()
  const addHosts = async (name: string, hostPort: number): Promise<void> => {
    for (const address of await known(name, () => resolver.lookup(name)))
      found.add(formatAddress({ host: address, port: hostPort }))
  }
  if (kind === 'dns') await addHosts(host, port!)
  else
    for (const record of await known(host, () => resolver.srv(host))) {
      const name = record.name.replace(/\.$/, '')
      if (kind === 'dnssrv') await addHosts(name, port ?? record.port)
      else found.add(formatAddress({ host: name, port: port ?? record.port }))
    }
  return [...found].sort()
}

const notThere = new Set(['ENOTFOUND', 'ENODATA'])

async function known<T>(name: string, ask: () => Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await ask()
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && notThere.has(String(cause.code))) return []
    throw new MnemoError('unavailable', `cannot resolve ${name}`, { cause })
  }
}
