;;; suggestions.el --- Inline completion  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Suggestions are shown while one types, and taken as a whole or by parts.

;;; Code:

(require 'harness)
(require 'lanebridge-inline)

(defmacro suggestions-typing (&rest body)
  "Evaluate BODY where a suggestion is shown behind \"int total = L\"."
  (declare (debug t))
  `(let ((lanebridge-overriding-settings nil))
     (lb-session (:files '(("a.c" . "int main(void)\n{\n    int total = \n    return 0;\n}\n"))
                  :open "a.c"
                  :replay (list '(:rollout "value" :match (:text "int total = L<|cursor|>"))
                                (lb-says "IMIT * 2;" :repeat 4)))
       (lanebridge-inline-mode)
       (goto-char (point-min))
       (search-forward "total = ")
       (lb-keys "L")
       (lb-wait "the suggestion" (lanebridge-inline-text))
       ,@body)))

(defun suggestions-line ()
  "The current line."
  (buffer-substring-no-properties (line-beginning-position) (line-end-position)))

(ert-deftest suggestions-taken ()
  "Shown while I type, and taken by TAB; then TAB is TAB."
  (suggestions-typing
   (should (equal (suggestions-line) "    int total = L"))
   (should (eq (key-binding (kbd "TAB")) 'lanebridge-inline-accept))
   (lb-keys "TAB x")
   (should (equal (suggestions-line) "    int total = LIMIT * 2;x"))
   (should-not (eq (key-binding (kbd "TAB")) 'lanebridge-inline-accept))))

(ert-deftest suggestions-by-words-and-lines ()
  "Taken by words, then the rest of the line."
  (suggestions-typing
   (lb-keys "M-f")
   (should (equal (suggestions-line) "    int total = LIMIT"))
   (should (equal (lanebridge-inline-text) " * 2;"))
   (lb-keys "C-e")
   (should (equal (suggestions-line) "    int total = LIMIT * 2;"))
   (should-not (lanebridge-inline-text))
   (lanebridge-inline--show "\n    two words;\n    three")
   (lb-keys "C-e")
   (should (equal (suggestions-line) "    two words;"))
   (should (equal (lanebridge-inline-text) "\n    three"))))

(ert-deftest suggestions-typed-along ()
  "What I type along is taken off it."
  (suggestions-typing
   (lb-keys "I M")
   (should (equal (lanebridge-inline-text) "IT * 2;"))
   (should (equal (suggestions-line) "    int total = LIM"))))

(ert-deftest suggestions-go-away ()
  "They go when I move, dismiss them or type something else."
  (suggestions-typing
   (lb-keys "C-a")
   (should-not (lanebridge-inline-text))
   (should (equal (suggestions-line) "    int total = L"))
   (lb-keys "C-e")
   (lanebridge-inline-complete)
   (lb-wait "the suggestion" (lanebridge-inline-text))
   (lb-keys "?")
   (should-not (lanebridge-inline-text))))

(ert-deftest suggestions-off ()
  "Switched off, the server makes none."
  (suggestions-typing
   (lanebridge-inline-mode -1)
   (should-not (lanebridge-inline-text))
   (should (equal (plist-get (lanebridge-current-settings) :inlineCompletion)
                  '(:enabled :json-false)))))

;;; suggestions.el ends here
