// The querier's flags about its web address: prefixes, CORS, and what a peer without an answer means for each API.
// Named and defaulted as Thanos's (cmd/thanos/query.go).
// Owns what a prefix may be.
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, type FlagValues, stringFlag } from '../../lib/kit/flags.ts'

const partial = (name: string, what: string) =>
  boolFlag(`${name}.partial-response`, {
    help: `Answer with a warning where ${what} cannot be read from a peer, if a request has no partial_response parameter. --no-${name}.partial-response for an error instead.`,
    default: true,
  })

export const webFlags = {
  routePrefix: stringFlag('web.route-prefix', {
    help: 'Prefix of the paths of API and page; the value of --web.external-prefix unless given. Probes and metrics stay at the root.',
    default: '',
  }),
  externalPrefix: stringFlag('web.external-prefix', {
    help: 'Prefix under which users reach API and page through a proxy that strips it: redirects go there.',
    default: '',
  }),
  prefixHeader: stringFlag('web.prefix-header', {
    help: 'Name of a request header that says the external prefix, where --web.external-prefix is not given. Only behind a proxy that sets it: X-Forwarded-Prefix for Traefik.',
    default: '',
  }),
  disableCors: boolFlag('web.disable-cors', {
    help: 'Send no CORS headers. By default pages of any origin may ask.',
    default: false,
  }),
  rulePartialResponse: partial('rule', 'rules'),
  targetPartialResponse: partial('target', 'targets'),
  metadataPartialResponse: partial('metric-metadata', 'metadata of metrics'),
  exemplarPartialResponse: partial('exemplar', 'exemplars'),
  statusPartialResponse: partial('status', 'statistics of TSDBs'),
}

export type WebFlags = FlagValues<typeof webFlags>

/** Throws `config` naming the flag. */
export function checkWebFlags(values: WebFlags): void {
  for (const [name, prefix] of [
    [webFlags.routePrefix.name, values.routePrefix],
    [webFlags.externalPrefix.name, values.externalPrefix],
  ] as const)
    if (prefix !== '' && cleanPrefix(prefix) === undefined)
      throw new MnemoError('config', `flag --${name}: got "${prefix}", want a path such as /mnemo`)
}

/** Where the routes are: `/mnemo`, or '' for the root. */
export function routePrefixOf({ routePrefix, externalPrefix }: WebFlags): string {
  return cleanPrefix(routePrefix === '' ? externalPrefix : routePrefix) ?? ''
}

/**
 * A prefix with a slash before it and none after, '' for the root; undefined for what is no plain path, which a header
 * may well be: a redirect must not lead to another host.
 */
export function cleanPrefix(text: string): string | undefined {
  const path = text.replace(/^\/+|\/+$/g, '')
  if (path === '') return ''
  return /^[\w.~!$&'()*+,;=:@%-]+(?:\/[\w.~!$&'()*+,;=:@%-]+)*$/.test(path) ? `/${path}` : undefined
}

/** What a peer without an answer means where a request does not say. */
export function peerPartialResponseOf(values: WebFlags) {
  return {
    rules: values.rulePartialResponse,
    targets: values.targetPartialResponse,
    metadata: values.metadataPartialResponse,
    exemplars: values.exemplarPartialResponse,
    status: values.statusPartialResponse,
  }
}
