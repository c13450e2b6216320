// From the object storage configuration of the command line to a bucket.
// Specification: Thanos docs/storage.md: `type`, `config`, `prefix`; --objstore.config, --objstore.config-file.
// Owns which types there are; S3's keys are read in s3-config.ts, and its SDK is loaded only where S3 is configured.
import { readFileSync } from 'node:fs'
import { ConfigSection } from '../kit/config-section.ts'
import { MnemoError } from '../kit/errors.ts'
import { type FlagValues, stringFlag } from '../kit/flags.ts'
import type { Logger } from '../kit/log.ts'
import type { Registry } from '../kit/metrics.ts'
import type { Bucket } from './bucket.ts'
import { FilesystemBucket } from './filesystem.ts'
import { metricsBucket } from './metrics.ts'
import { prefixBucket } from './prefix.ts'
import { parseS3Config } from './s3-config.ts'

/** The two flags of a bucket, `--objstore.config` and `--objstore.config-file`; a second one's begin `--objstore-to`. */
export function objstoreFlagsOf(prefix: string, purpose = '') {
  const format = 'See format details: https://thanos.io/tip/thanos/storage.md/#configuration'
  const end = purpose === '' ? format : `${format} ${purpose}`
  return {
    objstoreConfig: stringFlag(`${prefix}.config`, {
      help:
        `Alternative to '${prefix}.config-file' flag (mutually exclusive). Content of YAML file that contains object ` +
        `store configuration. ${end}`,
    }),
    objstoreConfigFile: stringFlag(`${prefix}.config-file`, {
      help: `Path to YAML file that contains object store configuration. ${end}`,
    }),
  }
}

/** As every service that touches a bucket has them. */
export const objstoreFlags = objstoreFlagsOf('objstore')

export type ObjstoreFlagValues = FlagValues<typeof objstoreFlags>

/** The configuration's text; undefined where neither flag (or an empty one) is given. Both: a `config` error. */
export function readObjstoreConfig(values: ObjstoreFlagValues, prefix = 'objstore'): string | undefined {
  const inline = values.objstoreConfig || undefined
  const file = values.objstoreConfigFile || undefined
  if (inline !== undefined && file !== undefined) {
    const got = `got both --${prefix}.config and --${prefix}.config-file`
    throw new MnemoError('config', `cannot read the bucket configuration: ${got}, want one of them`)
  }
  if (file === undefined) return inline
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MnemoError('config', `cannot read the bucket configuration: --${prefix}.config-file=${file}`, { cause })
  }
}

/** As readObjstoreConfig, for a service that cannot do without a bucket. */
export function requireObjstoreConfig(values: ObjstoreFlagValues, prefix = 'objstore'): string {
  const text = readObjstoreConfig(values, prefix)
  if (text !== undefined) return text
  const want = `want --${prefix}.config or --${prefix}.config-file`
  throw new MnemoError('config', `cannot do without a bucket: ${want}`)
}

export interface CreateBucketOptions {
  /** Where the bucket's metrics go; none: they are not kept. */
  readonly registry?: Registry
  readonly logger?: Logger
}

/** A configuration that has been read: what a thread is given that need not load a YAML parser. Structured-cloneable. */
export interface ReadObjstore {
  readonly document: unknown
}

/** Throws `config`. */
export async function readObjstore(yamlText: string, logger?: Logger): Promise<ReadObjstore> {
  return { document: await parseFirstDocument(yamlText, logger) }
}

/** The bucket of a configuration, of its text or read already, with its prefix, its retries and its metrics. Throws `config`. */
export async function createBucket(
  objstore: string | ReadObjstore,
  options: CreateBucketOptions = {},
): Promise<Bucket> {
  const { document } = typeof objstore === 'string' ? await readObjstore(objstore, options.logger) : objstore
  const root = new ConfigSection(document, 'bucket')
  const type = root.string('type')
  const prefix = root.string('prefix')
  const config = root.section('config')
  root.end()
  const { bucket, name } = await openBucket(type, config, options.logger)
  const { registry } = options
  return prefixBucket(registry ? metricsBucket(bucket, name, registry) : bucket, prefix)
}

async function openBucket(
  type: string,
  config: ConfigSection,
  logger: Logger | undefined,
): Promise<{ bucket: Bucket; name: string }> {
  switch (type.toUpperCase()) {
    case 'FILESYSTEM': {
      const directory = config.string('directory')
      config.end()
      if (directory === '')
        throw new MnemoError('config', 'cannot use the bucket configuration: config.directory is missing')
      return { bucket: new FilesystemBucket(directory), name: `fs: ${directory}` }
    }
    case 'S3': {
      const settings = parseS3Config(config)
      const { openS3Bucket } = await import('./s3.ts')
      return { bucket: openS3Bucket(settings, logger), name: settings.bucket }
    }
    default:
      throw new MnemoError('config', `cannot use the bucket configuration: type: got "${type}", want S3 or FILESYSTEM`)
  }
}

async function parseFirstDocument(yamlText: string, logger: Logger | undefined): Promise<unknown> {
  const { parseAllDocuments } = await import('yaml')
  const documents = parseAllDocuments(yamlText, { schema: 'failsafe' })
  const [first] = documents
  if (!Array.isArray(documents) || first === undefined)
    throw new MnemoError('config', 'cannot read the bucket configuration: it is empty')
  if (documents.length > 1) logger?.warn('the bucket configuration has several YAML documents: the first alone is used')
  const [problem] = first.errors
  // The message alone: the text around it may hold a secret.
  if (problem) {
    const at = problem.linePos ? ` in line ${problem.linePos[0].line}` : ''
    throw new MnemoError('config', `cannot read the bucket configuration: ${problem.code}${at}, want YAML`)
  }
  return first.toJS()
}
