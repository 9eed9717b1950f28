;;; typing.el --- A person types while the agent works  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Keys come at ten a second; with what is asked meanwhile: approvals.el.

;;; Code:

(require 'harness)
(require 'lanebridge-hunks)

(defun typing-type (text)
  "Type TEXT at ten keys a second."
  (dolist (char (append text nil))
    (execute-kbd-macro (vector char))
    (lb-pause 0.1)))

(ert-deftest typing-in-the-lines-that-are-edited ()
  "I type in the line that an edit is for: what I typed is there afterwards."
  (lb-session (:files '(("a.c" . "int one = 1;\nint two = 2;\n")) :open "a.c"
               :replay (list (lb-rollout "busy")
                             (append (lb-patch "p" "a.c" "int one = 1;" "int one = 5;")
                                     '(:pace (:first_ms 300)))
                             (lb-says "Enough.")))
    (goto-char (point-min))
    (end-of-line)
    (lb-ask "be busy")
    (typing-type " // mine")
    (lb-turn)
    (should (string-match-p "// mine$" (lb-text "a.c")))
    (should (string-match-p "int two = 2;" (lb-text "a.c")))))

(ert-deftest typing-beside-a-stream ()
  "Keys are served beside a stream of an answer; how fast is printed."
  (lb-session (:files '(("a.c" . "int one = 1;\n")) :open "a.c"
               :replay (list (lb-rollout "long")
                             (lb-says (mapconcat #'identity (make-list 3000 "words of an answer") "\n")
                                      :pace '(:delta_ms 1 :chunk 16))))
    (goto-char (point-max))
    (lb-ask "a long one")
    (let (took)
      (dotimes (_ 60)
        (let ((began (float-time)))
          (execute-kbd-macro "x")
          (redisplay)
          (push (* 1000 (- (float-time) began)) took))
        (lb-pause 0.015))
      (setq took (sort took #'<))
      (should (string-suffix-p (make-string 60 ?x) (lb-text "a.c")))
      (lb-note "measured Emacs %d: a key beside a stream: p50 %.2f ms, p95 %.2f ms"
               emacs-major-version (nth 30 took) (nth 57 took)))
    (lanebridge-execute "interrupt" nil)
    (lb-turn)))

;;; typing.el ends here
