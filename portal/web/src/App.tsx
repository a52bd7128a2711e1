import { RouterProvider } from './route/router'
import { Gate } from './session/Gate'
import { TextProvider } from './text/text'

export function App() {
  return (
    <TextProvider>
      <RouterProvider>
        <Gate />
      </RouterProvider>
    </TextProvider>
  )
}
