// `mnemo tools <group> <command>`: a person's tools over a bucket.
// Commands, flags and output are those of `thanos tools`.
// Owns the list of commands; each one's flags and work are in its own file.

import { bucketAnalyze } from './bucket-analyze.ts'
import { bucketCleanup } from './bucket-cleanup.ts'
import { bucketDownsample } from './bucket-downsample.ts'
import { bucketInspect } from './bucket-inspect.ts'
import { bucketLs } from './bucket-ls.ts'
import { bucketMark } from './bucket-mark.ts'
import { bucketReplicate } from './bucket-replicate.ts'
import { bucketRetention } from './bucket-retention.ts'
import { bucketRewrite } from './bucket-rewrite.ts'
import { uploadBlocks } from './bucket-upload-blocks.ts'
import { bucketVerify } from './bucket-verify.ts'
import { promqltest } from './promqltest/main.ts'
import { storeApiInfo, storeApiSeries } from './storeapi.ts'
import { tsdbDump } from './tsdb-dump.ts'

interface Command {
  readonly summary: string
  readonly main: (argv: string[]) => Promise<void>
}

const bucketCommands: Readonly<Record<string, Command>> = {
  ls: { summary: 'lists the blocks of a bucket', main: bucketLs },
  inspect: { summary: 'shows the blocks of a bucket as a table', main: bucketInspect },
  analyze: { summary: 'shows which metrics and labels cost the most', main: bucketAnalyze },
  verify: { summary: 'looks for issues of blocks, and repairs them', main: bucketVerify },
  mark: { summary: 'marks blocks for deletion, or to be left as they are', main: bucketMark },
  cleanup: { summary: 'deletes marked blocks and unfinished uploads', main: bucketCleanup },
  retention: { summary: 'marks blocks that have outlived their retention', main: bucketRetention },
  downsample: { summary: 'downsamples what is long enough, then ends', main: bucketDownsample },
  replicate: { summary: 'copies whole blocks to another bucket', main: bucketReplicate },
  rewrite: { summary: 'deletes series or samples of blocks, or relabels series', main: bucketRewrite },
  'upload-blocks': { summary: 'uploads the blocks of a directory', main: uploadBlocks },
}

const groups: Readonly<Record<string, Readonly<Record<string, Command>>>> = {
  bucket: bucketCommands,
  tsdb: { dump: { summary: 'prints the samples of blocks', main: tsdbDump } },
  storeapi: {
    info: { summary: 'shows what a store, sidecar or querier says of itself', main: storeApiInfo },
    series: { summary: 'shows the series that one has, and the blocks that it queried', main: storeApiSeries },
  },
}

/** Flags may stand before the command's name, as Thanos allows. */
export async function main([group, ...argv]: string[]): Promise<void> {
  if (group === '--help' || group === '-h' || group === 'help') {
    console.log(usage())
    return
  }
  if (group === 'promqltest') return promqltest(argv)
  const commands = (group !== undefined && Object.hasOwn(groups, group) && groups[group]) || {}
  const at = argv[0]?.startsWith('-') ? argv.findIndex((argument) => Object.hasOwn(commands, argument)) : 0
  const name = argv[at]
  if (name !== undefined && Object.hasOwn(commands, name)) return commands[name]!.main(argv.toSpliced(at, 1))
  if (Object.keys(commands).length > 0 && argv.some((argument) => argument === '--help' || argument === '-h')) {
    console.log(usage())
    return
  }
  const got = [group, name].filter((word) => word !== undefined).join(' ')
  if (got !== '') console.error(`mnemo tools: got unknown command "${got}"`)
  console.error(usage())
  process.exitCode = 2
}

function usage(): string {
  const lines = Object.entries(groups).flatMap(([group, commands]) =>
    Object.entries(commands).map(([name, { summary }]) => `  ${`${group} ${name}`.padEnd(23)}${summary}`),
  )
  return [
    'usage: mnemo tools <command> [<flags>]',
    '',
    "A person's tools over a bucket.",
    '',
    ...lines,
    `  ${'promqltest FILE…'.padEnd(23)}runs PromQL conformance scripts`,
    '',
    '`mnemo tools <command> --help` lists the flags of a command.',
  ].join('\n')
}
