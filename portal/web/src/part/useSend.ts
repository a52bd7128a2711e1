import { useState } from 'react'
import { Problem } from '../api/problem'

/** One write at a time: whether it is under way and what it was refused with. */
export function useSend() {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const send = async (write: () => Promise<void>) => {
    if (busy) return
    setBusy(true)
    setProblem(undefined)
    try {
      await write()
    } catch (cause) {
      setProblem(cause instanceof Problem ? cause : new Problem(0, {}))
    } finally {
      setBusy(false)
    }
  }
  return { busy, problem, send, clear: () => setProblem(undefined) }
}
