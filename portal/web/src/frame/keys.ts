import { useEffect, useRef } from 'react'

const stored = 'sekikura.keys'

/** Whether single keys act (WCAG 2.1.4 lets people switch them off). */
export const singleKeys = {
  on: () => localStorage.getItem(stored) !== 'off',
  set: (on: boolean) => localStorage.setItem(stored, on ? 'on' : 'off'),
}

function typing(target: EventTarget | null): boolean {
  const element = target instanceof HTMLElement ? target : null
  return (
    !!element &&
    (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) &&
    !(element instanceof HTMLInputElement && /^(checkbox|radio)$/.test(element.type))
  )
}

/**
 * Calls the handler of a pressed single key, outside of text fields and dialogs,
 * and never with a modifier. Escape is heard everywhere but in dialogs.
 */
export function useKeys(handlers: Record<string, (() => void) | undefined>): void {
  const latest = useRef(handlers)
  latest.current = handlers
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (
        e.defaultPrevented ||
        e.ctrlKey ||
        e.metaKey ||
        e.altKey ||
        document.querySelector('[aria-modal="true"], [role="dialog"], [role="menu"]')
      )
        return
      if (e.key !== 'Escape' && (typing(e.target) || !singleKeys.on())) return
      const handler = latest.current[e.key.length === 1 ? e.key.toLowerCase() : e.key]
      if (!handler) return
      e.preventDefault()
      handler()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [])
}
