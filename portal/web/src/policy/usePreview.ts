import { useEffect, useState } from 'react'
import { api } from '../api/client'
import { Problem } from '../api/problem'
import type { Mode, Preview, Tree } from '../api/types'

const pause = 500

/** Asks what a body of a policy would do, half a second after the last change of it; null: nothing to ask. */
export function usePreview(path: string, sent: { mode?: Mode; body: Tree; locks?: string[] } | null) {
  const [preview, setPreview] = useState<Preview>()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const text = sent && JSON.stringify(sent)
  useEffect(() => {
    setProblem(undefined)
    if (!text) {
      setPreview(undefined)
      setBusy(false)
      return
    }
    setBusy(true)
    let current = true
    const timer = setTimeout(() => {
      api
        .post<Preview>(path, JSON.parse(text))
        .then(({ data }) => current && setPreview(data))
        .catch((cause: unknown) => current && setProblem(cause instanceof Problem ? cause : new Problem(0, {})))
        .finally(() => current && setBusy(false))
    }, pause)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [path, text])
  return { preview, busy, problem }
}
