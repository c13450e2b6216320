// Which errors are a block's own: of all codes, and of what is no error of ours.
import { expect, test } from 'vitest'
import { type ErrorCode, errorKinds, MnemoError } from '../../../lib/kit/errors.ts'
import { BlockError, isOfBlock } from '../../../lib/tsdb/block-error.ts'

test('bad bytes, unknown ones and missing files are the block’s; the bucket, the disk and an abort are not', () => {
  const codes = Object.keys(errorKinds) as ErrorCode[]
  expect(codes.filter((code) => isOfBlock(new MnemoError(code, 'x')))).toEqual(['unsupported', 'not_found', 'corrupt'])
  expect(isOfBlock(new BlockError('corrupt', 'B', 'x'))).toBe(true)
  for (const other of [new Error('x'), Object.assign(new Error('x'), { code: 'corrupt' }), undefined])
    expect(isOfBlock(other)).toBe(false)
})
