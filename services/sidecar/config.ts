// Flags of `mnemo sidecar`, named and defaulted as Thanos's.
// Specification: Thanos cmd/thanos/sidecar.go.
// Owns what they mean beyond their type.
import { hashFuncs } from '../../lib/blocks/upload.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import {
  boolFlag,
  durationFlag,
  enumFlag,
  type FlagValues,
  intFlag,
  stringFlag,
  stringsFlag,
  timeFlag,
} from '../../lib/kit/flags.ts'
import { commonFlags } from '../../lib/kit/lifecycle.ts'
import { requestLoggingFlags } from '../../lib/kit/request-logging.ts'
import { objstoreFlags } from '../../lib/objstore/config.ts'
import { checkLimits, limitFlags } from '../../lib/storeapi/limits.ts'
import { thanosFlags } from './config-thanos.ts'
import { reloadMethods } from './reload-trigger.ts'

export const flags = {
  ...commonFlags,
  ...objstoreFlags,
  ...limitFlags,
  ...requestLoggingFlags,
  ...thanosFlags,
  prometheusUrl: stringFlag('prometheus.url', {
    help: "URL at which to reach Prometheus's API. For better performance use local network.",
    default: 'http://localhost:9090',
  }),
  prometheusReadyTimeoutMs: durationFlag('prometheus.ready_timeout', {
    help: 'Maximum time to wait for the Prometheus instance to start up, where blocks are shipped; without a bucket the wait has no end.',
    default: '10m',
  }),
  httpClient: stringFlag('prometheus.http-client', {
    help: "Alternative to 'prometheus.http-client-file' flag (mutually exclusive). Content of YAML with the HTTP client's configuration: https://thanos.io/tip/components/sidecar.md/#configuration",
    default: '',
  }),
  httpClientFile: stringFlag('prometheus.http-client-file', {
    help: "Path to YAML file with the HTTP client's configuration: https://thanos.io/tip/components/sidecar.md/#configuration",
    default: '',
  }),
  getConfigIntervalMs: durationFlag('prometheus.get_config_interval', {
    help: 'How often to get Prometheus config.',
    default: '30s',
  }),
  getConfigTimeoutMs: durationFlag('prometheus.get_config_timeout', {
    help: 'Timeout for getting Prometheus config.',
    default: '30s',
  }),
  tsdbPath: stringFlag('tsdb.path', { help: 'Data directory of TSDB.', default: './data' }),
  ignoreUnequalBlockSize: boolFlag('shipper.ignore-unequal-block-size', {
    help: 'Do not require min and max block size flags of Prometheus to be set to the same value. Only use this if you want to keep long retention and compaction enabled, as in the worst case it can result in ~2h data loss for your bucket storage.',
  }),
  uploadCompacted: boolFlag('shipper.upload-compacted', {
    help: 'Ship blocks that Prometheus has compacted as well, where the bucket has nothing of their time. Useful for migration purposes; works only if compaction is disabled on Prometheus now.',
  }),
  uploadConcurrency: intFlag('shipper.upload-concurrency', {
    help: 'Number of files of a block that are uploaded side by side. 0: one after another.',
    default: 0,
  }),
  hashFunc: enumFlag('hash-func', hashFuncs, {
    help: 'Which hash function to use when calculating the hashes of the files of shipped blocks: "" (none) or SHA256.',
    default: '',
  }),
  shipperMetaFileName: stringFlag('shipper.meta-file-name', {
    help: 'The file to store shipper metadata in.',
    default: 'thanos.shipper.json',
  }),
  reloaderConfigFile: stringFlag('reloader.config-file', {
    help: 'Config file watched by the reloader.',
    default: '',
  }),
  reloaderOutputFile: stringFlag('reloader.config-envsubst-file', {
    help: 'Output file for environment variable substituted config file: $(NAME) in it becomes the value of NAME.',
    default: '',
  }),
  reloaderRuleDirs: stringsFlag('reloader.rule-dir', {
    help: 'Rule directories for the reloader to refresh (repeatable).',
  }),
  reloaderWatchIntervalMs: durationFlag('reloader.watch-interval', {
    help: 'Controls how often reloader re-reads config and rules.',
    default: '3m',
  }),
  reloaderRetryIntervalMs: durationFlag('reloader.retry-interval', {
    help: 'Controls how often reloader retries config reload in case of error.',
    default: '5s',
  }),
  reloaderMethod: enumFlag('reloader.method', reloadMethods, {
    help: 'Method used to reload the configuration: http (Prometheus needs --web.enable-lifecycle) or signal (SIGHUP).',
    default: 'http',
  }),
  reloaderProcessName: stringFlag('reloader.process-name', {
    help: 'Executable name used to match the process being reloaded when using the signal method.',
    default: 'prometheus',
  }),
  minTime: timeFlag('min-time', {
    help: 'Start of time range limit to serve. Constant time in RFC3339 format or duration relative to current time, such as -1d or 2h45m.',
    default: '0000-01-01T00:00:00Z',
  }),
}

export type SidecarConfig = FlagValues<typeof flags>

/** Throws `config` for values that no sidecar can run with. */
export function checkFlags(values: SidecarConfig): void {
  const { prometheusUrl, getConfigIntervalMs, getConfigTimeoutMs } = values
  checkLimits(values)
  const protocol = URL.canParse(prometheusUrl) ? new URL(prometheusUrl).protocol : undefined
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new MnemoError('config', `cannot use --prometheus.url: got "${prometheusUrl}", want http://host:port`)
  const { username, password } = new URL(prometheusUrl)
  if (username + password !== '')
    throw new MnemoError(
      'config',
      'cannot use --prometheus.url: got a user in it, want it in --prometheus.http-client: {basic_auth: …}',
    )
  if (values.httpClient !== '' && values.httpClientFile !== '')
    throw new MnemoError('config', 'want one of --prometheus.http-client and --prometheus.http-client-file, got both')
  if (values.uploadConcurrency < 0)
    throw new MnemoError(
      'config',
      `cannot use --shipper.upload-concurrency: got ${values.uploadConcurrency}, want 0 or more`,
    )
  if (values.reloaderOutputFile !== '' && values.reloaderConfigFile === '')
    throw new MnemoError('config', 'cannot use --reloader.config-envsubst-file: want --reloader.config-file, too')
  const positive = {
    'reloader.retry-interval': values.reloaderRetryIntervalMs,
    'prometheus.ready_timeout': values.prometheusReadyTimeoutMs,
    'prometheus.get_config_interval': getConfigIntervalMs,
    'prometheus.get_config_timeout': getConfigTimeoutMs,
  }
  for (const [name, value] of Object.entries(positive))
    if (value < 1) throw new MnemoError('config', `cannot use --${name}: got ${value} ms, want more than 0`)
}
