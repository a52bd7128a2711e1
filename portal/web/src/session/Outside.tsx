import { useEffect, type ReactNode } from 'react'
import { LanguageSwitch } from '../frame/LanguageSwitch'
import { Mark } from '../frame/Mark'
import { useText } from '../text/text'

/** The page around the login questions. */
export function Outside({ title, children }: { title: string; children: ReactNode }) {
  const { t } = useText()
  useEffect(() => {
    document.title = `${title} | ${t('product')}`
  }, [title, t])
  return (
    <div className="flex min-h-screen flex-col bg-side">
      <header className="flex h-16 items-center justify-between border-b border-hair bg-white px-5">
        <span className="flex items-center gap-3 text-18 font-700">
          <Mark />
          {t('product')}
        </span>
        <LanguageSwitch always />
      </header>
      <main className="mx-auto flex w-full max-w-[520px] grow flex-col gap-6 px-4 py-14 max-md:py-6">
        <div className="card flex flex-col gap-6 p-8 max-md:p-5">
          <h1 className="text-24 font-700">{title}</h1>
          {children}
        </div>
      </main>
    </div>
  )
}
