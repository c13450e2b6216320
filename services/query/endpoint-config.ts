// The file of --endpoint.sd-config-file: endpoints, each with how it is connected to.
// Format: Thanos's (cmd/thanos/endpointset.go), for its keys that mean something here; an unknown one is an error, not a silence.
// Owns the reading of the YAML text.
import { parse } from 'yaml'
import { asMnemoError, MnemoError } from '../../lib/kit/errors.ts'
import type { ClientTls } from '../../lib/kit/grpc.ts'
import { checkEndpoint } from './config-endpoints.ts'
import type { EndpointSpec } from './endpoint-spec.ts'

/** The endpoints of a YAML text; `flagTls` where the text says nothing of TLS. Throws `config` naming what is wrong. */
export function parseEndpointConfig(yamlText: string, flagTls: ClientTls | undefined): EndpointSpec[] {
  let content: unknown
  try {
    content = parse(yamlText)
  } catch (cause) {
    throw new MnemoError('config', 'cannot read endpoints: got text that is no YAML', { cause: asMnemoError(cause) })
  }
  const root = mapping(content ?? {}, 'endpoints', ['endpoints', 'default_client_config'])
  const defaultTls = 'default_client_config' in root ? readClient(root.default_client_config, 'default_client_config', flagTls) : flagTls // biome-ignore format: one line
  const list = root.endpoints ?? []
  if (!Array.isArray(list)) throw wrong('endpoints', 'got no list')
  return list.map((entry, i) => readEndpoint(entry, `endpoint ${i + 1}`, defaultTls))
}

function readEndpoint(entry: unknown, where: string, defaultTls: ClientTls | undefined): EndpointSpec {
  const { address, strict, group, client_config } = mapping(entry, where, [
    'address',
    'strict',
    'group',
    'client_config',
  ])
  if (typeof address !== 'string') throw wrong(where, 'got no address')
  const spec = {
    address,
    isGroup: bool(group, `${where}: group`),
    isStrict: bool(strict, `${where}: strict`),
    tls: client_config === undefined ? defaultTls : readClient(client_config, `${where}: client_config`, defaultTls),
  }
  checkEndpoint(where, spec)
  return spec
}

const tlsKeys = ['enabled', 'insecure_skip_verify', 'cert_file', 'key_file', 'ca_file', 'min_version'] as const

/** TLS is on where it is enabled, or where anything of it is given and it is not disabled. */
function readClient(entry: unknown, where: string, defaultTls: ClientTls | undefined): ClientTls | undefined {
  const {
    tls_config: tls = {},
    server_name,
    compression,
  } = mapping(entry, where, ['tls_config', 'server_name', 'compression'])
  if (compression !== undefined && compression !== 'none')
    throw wrong(where, `got compression ${JSON.stringify(compression)}, which is not supported: want none`)
  const given = mapping(tls, `${where}: tls_config`, tlsKeys)
  const serverName = text(server_name, `${where}: server_name`)
  if (Object.keys(given).length === 0 && serverName === undefined) return defaultTls
  const isMentioned = tlsKeys.some((key) => key !== 'enabled' && key !== 'min_version' && given[key] !== undefined)
  const isEnabled =
    given.enabled === undefined ? isMentioned || defaultTls !== undefined : bool(given.enabled, `${where}: enabled`)
  if (!isEnabled) return undefined
  const version = text(given.min_version, `${where}: min_version`)
  if (version !== undefined && version !== '1.2')
    throw wrong(where, `got min_version ${version}, want 1.2, which is what is spoken at least`)
  const skipVerify = bool(given.insecure_skip_verify, `${where}: insecure_skip_verify`)
  const [caFile, certFile, keyFile] = [given.ca_file, given.cert_file, given.key_file].map((file) => text(file, where))
  if ((certFile === undefined) !== (keyFile === undefined))
    throw wrong(where, 'got one of cert_file and key_file, want both')
  return {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
    ...(serverName !== undefined && { serverName }),
    ...(skipVerify && { skipVerify }),
  }
}

function mapping<K extends string>(value: unknown, where: string, keys: readonly K[]): Partial<Record<K, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(where, 'got no mapping')
  const unknownKey = Object.keys(value).find((key) => !(keys as readonly string[]).includes(key))
  if (unknownKey !== undefined) throw wrong(where, `got the unknown key "${unknownKey}", want ${keys.join(', ')}`)
  return value
}

function bool(value: unknown, where: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw wrong(where, `got ${JSON.stringify(value)}, want true or false`)
}

/** Undefined for what is not there or empty. */
function text(value: unknown, where: string): string | undefined {
  if (value === undefined || value === '') return undefined
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw wrong(where, `got ${JSON.stringify(value)}, want a text`)
}

function wrong(where: string, got: string): MnemoError {
  return new MnemoError('config', `cannot read ${where}: ${got}`)
}
