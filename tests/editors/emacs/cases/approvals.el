;;; approvals.el --- Approvals and questions  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Code:

(require 'lb-chat)

(defun lb-asking (&rest more)
  "A recording that asks for an approval; MORE are members of its last step."
  (list (lb-rollout "run it")
        (lb-calls "r" "exec_command" :cmd "echo made > made.txt" :escalate t
                  :justification "it writes a file")
        (apply #'lb-says "It is done." more)))

(defun lb-wait-asked (&optional count)
  "Wait until COUNT questions wait."
  (lb-wait "a question" (= (lanebridge-approval-count) (or count 1))))

(defun lb-open-asked ()
  "Open what is asked; return its text."
  (lb-wait-asked)
  (lanebridge-approve)
  (should (derived-mode-p 'lanebridge-approval-mode))
  (buffer-substring-no-properties (point-min) (point-max)))

(ert-deftest approval-waits-with-a-badge-then-runs ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-asking))
    (let ((lanebridge-approval-dead-time 0)
          (windows (current-window-configuration)))
      (lanebridge-ask "run it")
      (lb-wait-asked)
      ;; Neither focus nor minibuffer nor a new window but the chat's.
      (should (equal (buffer-name) "a.c"))
      (should-not (active-minibuffer-window))
      (should-not (get-buffer "*Lanebridge asks*"))
      (should (string-search "1 question" (lanebridge-status-line)))
      (should (string-search "echo made" (lanebridge-approval-headline)))
      (let ((text (lb-open-asked)))
        (should (string-search "    echo made > made.txt\n" text))
        (should (string-search "it writes a file" text))
        (should (looking-at "d  Decline$")))
      (lb-keys "a")
      (should (equal (lb-turn) "completed"))
      (should (equal (lb-read "made.txt") "made\n"))
      (should-not (get-buffer "*Lanebridge asks*"))
      (should (equal (buffer-name (window-buffer)) "a.c"))
      (set-window-configuration windows))))

(ert-deftest approval-return-on-the-first-line-declines ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-asking))
    (let ((lanebridge-approval-dead-time 0))
      (lanebridge-ask "run it")
      (lb-open-asked)
      (lb-keys "RET")
      (should (equal (lb-turn) "completed"))
      (should-not (lb-read "made.txt")))))

(ert-deftest approval-declined-with-a-note ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (lb-asking :expect '(:outputs (:r "use the other folder"))))
    (let ((lanebridge-approval-dead-time 0))
      (lanebridge-ask "run it")
      (lb-open-asked)
      (lb-keys "n use SPC the SPC other SPC folder RET")
      (should (equal (lb-turn) "completed"))
      (should-not (lb-read "made.txt")))))

(ert-deftest approval-by-a-literal-rule ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "run it")
                             (lb-calls "r" "exec_command" :cmd "make one" :escalate t
                                       :justification "once")
                             (lb-calls "q" "exec_command" :cmd "make one" :escalate t
                                       :justification "twice")
                             (lb-says "Both are done.")))
    (let ((lanebridge-approval-dead-time 0))
      (lanebridge-ask "run it")
      (should (string-search "1  Accept; will allow: `make one" (lb-open-asked)))
      (lb-keys "1")
      (should (equal (lb-turn) "completed")))))

(ert-deftest approval-keys-within-the-dead-time-answer-nothing ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-asking))
    (let ((lanebridge-approval-dead-time 0.5))
      (lanebridge-ask "run it")
      (lb-open-asked)
      (lb-keys "a a RET 1")
      (should (= (lanebridge-approval-count) 1))
      (lb-pause 0.8)
      (lb-keys "d")
      (should (equal (lb-turn) "completed"))
      (should-not (lb-read "made.txt")))))

(ert-deftest approval-left-for-later-still-waits ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-asking))
    (let ((lanebridge-approval-dead-time 0))
      (lanebridge-ask "run it")
      (lb-open-asked)
      (lb-keys "q")
      (should (= (lanebridge-approval-count) 1))
      (should-not (get-buffer "*Lanebridge asks*"))
      (lb-open-asked)
      (lb-keys "d")
      (should (equal (lb-turn) "completed")))))

(ert-deftest approval-typing-on-answers-nothing ()
  (let ((typed "a1d2n3 aa dd nn yy 11 qq all of it stays"))
    (lb-session (:files '(("a.c" . "int one = 1;\n\n\n\n\nint more;\n\n")) :open "a.c"
                 :replay (append (list (lb-rollout "be busy"))
                                 (mapcar (lambda (i)
                                           (lb-patch (format "p%d" i) "a.c"
                                                     (format "int one = %d;" i)
                                                     (format "int one = %d;" (1+ i))))
                                         '(1 2 3 4))
                                 (cdr (lb-asking))))
      (goto-char (point-max))
      (lanebridge-ask "be busy")
      (seq-doseq (letter typed)
        (execute-kbd-macro (string letter))
        (lb-pause 0.1))
      (lb-wait-asked)
      (should (string-suffix-p (concat "\n" typed) (lb-text "a.c")))
      (should (string-prefix-p "int one = 5;\n" (lb-text "a.c")))
      (should (= (lanebridge-approval-count) 1))
      (should-not (lb-read "made.txt"))
      (lanebridge-interrupt)
      (should (equal (lb-turn) "interrupted"))
      (lb-wait-asked 0))))

(ert-deftest approval-is-withdrawn-while-it-is-open ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-asking))
    (lanebridge-ask "run it")
    (lb-open-asked)
    (lanebridge-interrupt)
    (should (equal (lb-turn) "interrupted"))
    (lb-wait-asked 0)
    (should-not (get-buffer "*Lanebridge asks*"))))

(ert-deftest approval-questions-of-the-model ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "ask me")
                             (lb-calls "q" "ask_user" :questions
                                       [(:question "Which colour?"
                                         :options [(:label "red" :description "warm")
                                                   (:label "blue" :description "cold")])
                                        (:question "And how much?"
                                         :options [(:label "little") (:label "much")])])
                             (lb-says "So be it." :expect '(:outputs (:q "blue")))))
    (let ((lanebridge-approval-dead-time 0))
      (lanebridge-ask "ask me")
      (should (string-search "Which colour?" (lb-open-asked)))
      (lb-keys "2")
      (should (string-search "And how much?"
                             (with-current-buffer "*Lanebridge asks*" (buffer-string))))
      (lb-keys "o as SPC much SPC as SPC fits RET")
      (should (equal (lb-turn) "completed")))))

(ert-deftest approval-of-trust ()
  (lb-session (:files lb-program-files
               :replay (list (lb-rollout "hello") (lb-says "Hello.")))
    (let ((lanebridge-approval-dead-time 0)
          (lanebridge-trusted nil))
      (lb-open "a.c")
      (lanebridge-ask "hello")
      (should (string-search "d  Decline" (lb-open-asked)))
      (lb-keys "a")
      (should (equal (lb-turn) "completed")))))

(ert-deftest approval-of-trust-refused-gives-my-words-back ()
  (lb-session (:files lb-program-files)
    (let ((lanebridge-approval-dead-time 0)
          (lanebridge-trusted nil))
      (lb-open "a.c")
      (lb-open-chat)
      (lb-keys "hello RET")
      (lb-wait-asked)
      (should (string-search "asks you: M-x lanebridge-approve"
                             (overlay-get lanebridge-chat--rule 'before-string)))
      (lb-open-asked)
      (lb-keys "d")
      (lb-wait-prompt "hello"))))

(ert-deftest approval-of-trust-is-taken-back-when-it-is-settled ()
  (lb-session (:files lb-program-files
               :replay (list (lb-rollout "hello") (lb-says "Hello.")))
    (let ((lanebridge-trusted nil))
      (lb-open "a.c")
      (lanebridge-ask "hello")
      (lb-open-asked)
      (with-current-buffer (get-file-buffer (lb-file "a.c"))
        (lanebridge-trust))
      (lb-wait-asked 0)
      (should-not (get-buffer "*Lanebridge asks*"))
      (should (equal (lb-turn) "completed")))))

(ert-deftest approval-shows-a-diff-in-its-colours ()
  (let ((text (lanebridge-approval--literal "@@ -1 +1 @@\n-old\n+new\n")))
    (should (eq (get-text-property (string-search "-old" text) 'face text) 'lanebridge-removed))
    (should (eq (get-text-property (string-search "+new" text) 'face text) 'lanebridge-added))))

(provide 'approvals)
;;; approvals.el ends here
