;;; commands.el --- From the file: edit, explain, fix, undo, and others  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Code:

(require 'lb-chat)
(require 'lanebridge-hunks)

(defun lb-fixing ()
  "A recording that changes the return value."
  (list (lb-rollout "zero") (lb-patch "p" "a.c" "    return 1;" "    return 0;")
        (lb-says "Done.")))

(defun lb-go-to (text)
  "Put point at TEXT."
  (goto-char (point-min))
  (search-forward text)
  (goto-char (match-beginning 0)))

(ert-deftest command-edit-here-shows-its-diff-in-place ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-fixing))
    (lb-go-to "return 1")
    (cl-letf (((symbol-function 'read-string)
               (lambda (prompt &rest _)
                 (should (equal prompt "Edit this line: "))
                 "zero, please")))
      (call-interactively #'lanebridge-edit-here))
    (should (equal (lb-turn) "completed"))
    (should (string-search "return 0;" (lb-text "a.c")))
    (lb-wait "the hunk" lanebridge-hunks--shown)
    ;; What said that it is at it is gone, and nothing else was opened.
    (lb-wait "the mark to be gone" (null lanebridge-ask--working))
    (should (equal (buffer-name (window-buffer)) "a.c"))
    (should (= 1 (length (window-list))))))

(ert-deftest command-edit-here-says-that-it-is-at-it ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "slow") (lb-runs "r" "sleep 20")))
    (lanebridge-edit-here (point-min) (point-max) "slow")
    (lb-wait "the mark"
      (seq-some (lambda (overlay) (string-search "is at it" (or (overlay-get overlay 'after-string) "")))
                (overlays-in (point-min) (point-max))))
    (lanebridge-interrupt)
    (should (equal (lb-turn) "interrupted"))
    (lb-wait "the mark to be gone" (null lanebridge-ask--working))))

(ert-deftest command-explain-answers-in-the-chat ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list '(:rollout "explain" :match (:text "return 1;")) (lb-says "It returns one.")))
    (lb-go-to "    return 1")
    (let ((transient-mark-mode t))
      (push-mark (line-beginning-position) t t)
      (goto-char (line-end-position))
      (lanebridge-explain))
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "It returns one.")))

(ert-deftest command-fix-takes-what-is-reported ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list '(:rollout "fix" :match (:text "one is wrong"))
                             (lb-patch "p" "a.c" "    return 1;" "    return 0;")
                             (lb-says "Done.")))
    (lb-go-to "return 1")
    (lanebridge-fix)
    (lb-wait-message "nothing is reported here")
    (cl-letf (((symbol-function 'lanebridge-diagnostics-here)
               (lambda (beg end)
                 (list (list :range (lanebridge-range beg end)
                             :message "one is wrong" :severity 1)))))
      (lanebridge-fix))
    (should (equal (lb-turn) "completed"))
    (should (string-search "return 0;" (lb-text "a.c")))))

(ert-deftest command-undo-turn-keeps-what-i-have-typed-since ()
  (lb-session (:files lb-program-files :open "a.c" :replay (lb-fixing))
    (lanebridge-ask "zero")
    (should (equal (lb-turn) "completed"))
    (goto-char (point-min))
    (insert "/* mine */\n")
    (lanebridge-undo-turn)
    (lb-wait "the old line" (string-search "return 1;" (lb-text "a.c")))
    (should (string-prefix-p "/* mine */\nint main" (lb-text "a.c")))
    (lb-wait-message "undone: a.c")
    (lanebridge-redo-turn)
    (lb-wait "the new line" (string-search "return 0;" (lb-text "a.c")))
    (should (string-prefix-p "/* mine */\nint main" (lb-text "a.c")))))

(ert-deftest command-doctor-says-what-works ()
  (lb-session (:files lb-program-files :open "a.c")
    (save-window-excursion
      (lanebridge-doctor)
      (let ((text (with-current-buffer "*Lanebridge doctor*" (buffer-string))))
        (should (string-search "Emacs: " text))
        (should (string-search "server: runs" text))
        (should (string-search "sandbox: " text))))))

(ert-deftest command-doctor-says-that-the-program-is-missing ()
  (let ((lanebridge-command '("no-such-lanebridge" "lsp")))
    (save-window-excursion
      (lanebridge-doctor)
      (should (string-search "✗ program: there is no \"no-such-lanebridge\""
                             (with-current-buffer "*Lanebridge doctor*" (buffer-string)))))))

(ert-deftest command-all-keys-have-commands ()
  (map-keymap (lambda (_ command) (should (commandp command))) lanebridge-command-map)
  (require 'lanebridge-menu)
  (when (locate-library "transient")
    (require 'lanebridge-transient)
    (should (commandp 'lanebridge-transient))))

(provide 'commands)
;;; commands.el ends here
