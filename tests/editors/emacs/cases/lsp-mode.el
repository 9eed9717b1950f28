;;; lsp-mode.el --- As a server of lsp-mode  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Code:

(require 'lb-chat)
(require 'lanebridge-hunks)

(declare-function lsp "ext:lsp-mode")
(declare-function lsp-workspaces "ext:lsp-mode")
(declare-function lsp--client-async-request-handlers "ext:lsp-mode")
(declare-function lsp-workspace-shutdown "ext:lsp-mode")
(declare-function lanebridge-lsp-mode--register "lanebridge-lsp-mode")
(defvar lanebridge-lsp-mode--servers)
(defvar lsp-clients)
(defvar lsp--show-message)
(defvar lsp-session-file)
(defvar lsp--session)
(defvar lsp-restart)
(defvar lsp-auto-guess-root)
(defvar lsp-guess-root-without-session)
(defvar lsp-warn-no-matched-clients)
(defvar lsp-enable-suggest-server-download)
(defvar lsp-auto-configure)

(defun lb-lsp-open (name)
  "Open the file NAME under lsp-mode, with our server beside no other."
  (switch-to-buffer (find-file-noselect (lb-file name) t))
  (setq-local lsp-auto-configure nil)
  (lsp)
  (lb-wait "lsp-mode's server" (let ((server (lanebridge-server)))
                                 (and server (lanebridge-connected-p)
                                      (null (lanebridge-server-connection server))))))

(defmacro lb-lsp-session (wanted &rest body)
  "As `lb-session' with WANTED: BODY, in `a.c' under lsp-mode."
  (declare (indent 1) (debug t))
  `(progn
     (skip-unless (locate-library "lsp-mode"))
     (require 'lanebridge-lsp-mode)
     (lanebridge-lsp-mode--register)
     (lb-session (:files lb-program-files ,@wanted)
       (let ((lsp-session-file (expand-file-name "lsp-session" lb-dir))
             (lsp--session nil)
             (lsp-restart 'ignore) (lsp-auto-guess-root t)
             (lsp-guess-root-without-session t)
             (lsp-warn-no-matched-clients nil)
             (lsp--show-message nil)
             (lsp-enable-suggest-server-download nil)
             (lanebridge-approval-dead-time 0))
         (unwind-protect
             (progn (lb-lsp-open "a.c") ,@body)
           (dolist (entry lanebridge-lsp-mode--servers)
             (ignore-errors (lsp-workspace-shutdown (car entry))))
           ;; Other cases have a connection of our own beside lsp-mode.
           (remhash 'lanebridge lsp-clients)
           (lb-wait "the server to be gone" (null lanebridge-lsp-mode--servers)))))))

(ert-deftest lsp-mode-chat-edit-and-hunks ()
  (lb-lsp-session (:replay (list (lb-rollout "fix")
                                 (lb-patch "p" "a.c" "    return 1;" "    return 0;")
                                 (lb-says "Done.")))
    (lanebridge-ask "fix it")
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "Done.")
    (lb-wait-chat "edit `a.c`")
    (should (equal (lb-text "a.c") "int main(void)\n{\n    return 0;\n}\n"))
    (lb-wait "the hunk" (= 1 (lanebridge-hunks-count)))
    (with-current-buffer (get-file-buffer (lb-file "a.c"))
      (lb-wait "it to be painted" lanebridge-hunks--shown)
      (goto-char (point-min))
      (forward-line 2)
      (lanebridge-reject))
    (lb-wait "the old line" (string-search "return 1;" (lb-text "a.c")))))

(ert-deftest lsp-mode-unsaved-text-is-seen ()
  (lb-lsp-session (:replay (list (lb-rollout "read")
                                 (lb-calls "r" "read_file" :path "a.c")
                                 (lb-says "I see." :expect '(:outputs (:r "not saved")))))
    (goto-char (point-max))
    (insert "/* not saved */\n")
    (lanebridge-ask "read it")
    (should (equal (lb-turn) "completed"))))

(defun lb-lsp-edit (version text)
  "What is answered to an edit for VERSION that makes TEXT of the first line of `a.c'."
  (lb-call "workspace/applyEdit"
           `(:edit (:documentChanges
                    [(:textDocument (:uri ,(lb-uri "a.c") :version ,version)
                      :edits [(:range (:start (:line 0 :character 0) :end (:line 1 :character 0))
                               :newText ,text)])]))))

(ert-deftest lsp-mode-edits-are-for-the-text-that-is-there ()
  "A stale edit, of version 0 too, is refused; one that fits is one step of undo."
  (lb-lsp-session ()
    (buffer-enable-undo)
    (should (gethash "workspace/applyEdit" (lsp--client-async-request-handlers
                                            (gethash 'lanebridge lsp-clients))))
    (let ((told (lanebridge-sync-version)) (before (lb-text "a.c")))
      (should (eql told 0))
      (goto-char (point-max))
      (lb-keys "m i n e")
      (let ((answer (lb-lsp-edit told "int stale;\n")))
        (should (eq (plist-get answer :applied) :json-false))
        (should (string-match-p "the buffer has changed" (plist-get answer :failureReason))))
      (should (eq (plist-get (lb-lsp-edit :json-false "int unknown;\n") :applied) :json-false))
      (should (equal (lb-text "a.c") (concat before "mine")))
      (should (eq (plist-get (lb-lsp-edit (lanebridge-sync-version) "int fits;\n") :applied) t))
      (lb-keys "! !")
      (should (equal (lb-text "a.c") "int fits;\n{\n    return 1;\n}\nmine!!"))
      (setq last-command 'ignore)
      (undo-boundary)
      (undo-only)
      (should (equal (lb-text "a.c") "int fits;\n{\n    return 1;\n}\nmine"))
      (setq last-command 'undo)
      (undo-only)
      (should (equal (lb-text "a.c") (concat before "mine"))))))

(ert-deftest lsp-mode-approval-with-a-note ()
  (lb-lsp-session (:replay (list (lb-rollout "run it")
                                 (lb-calls "r" "exec_command" :cmd "echo made > made.txt"
                                           :escalate t :justification "it writes a file")
                                 (lb-says "As you like." :expect '(:outputs (:r "not here")))))
    (lanebridge-ask "run it")
    (lb-wait "a question" (= (lanebridge-approval-count) 1))
    (lanebridge-approve)
    (lb-keys "n not SPC here RET")
    (should (equal (lb-turn) "completed"))
    (should-not (lb-read "made.txt"))
    ;; What is false is not taken for absent.
    (lb-wait-chat "✗ ")))

(ert-deftest lsp-mode-ends-and-says-so ()
  (lb-lsp-session (:replay (list (lb-rollout "run") (lb-runs "r" "sleep 20")))
    (lanebridge-ask "run it")
    (lb-wait-chat "sleep 20")
    (lsp-workspace-shutdown (caar lanebridge-lsp-mode--servers))
    (lb-wait-chat "the server ended while this turn ran")))

(provide 'lsp-mode-cases)
;;; lsp-mode.el ends here
