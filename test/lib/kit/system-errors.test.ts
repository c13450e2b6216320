// The operating system's codes: what may pass, and what is none of its errors.
import { expect, test } from 'vitest'
import { fileError } from '../../../lib/bytes/random-access.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { mayPass, systemCode } from '../../../lib/kit/system-errors.ts'

const withCode = (code: string) => Object.assign(new Error(code), { code })

test('a full disk may pass, a missing file does not', () => {
  expect([mayPass(withCode('ENOSPC')), mayPass(withCode('ENOENT')), mayPass(new Error('ENOSPC'))]).toEqual([
    true,
    false,
    false,
  ])
  expect(systemCode(withCode('EACCES'))).toBe('EACCES')
})

test('an error of ours is none of the system, and stays as it is', () => {
  const full = fileError('cannot write a', withCode('ENOSPC'))
  expect(full.code).toBe('unavailable')
  expect(systemCode(full)).toBeUndefined()
  expect(fileError('cannot finish a', full)).toBe(full)
  expect(fileError('cannot write a', new MnemoError('corrupt', 'x')).code).toBe('corrupt')
})
