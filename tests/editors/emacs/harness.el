;;; harness.el --- What the cases use  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; The editor is the Emacs that runs the tests, the server and the
;; endpoint that plays a recording are real.  Each session has a folder
;; of its own, which is removed afterwards.  `lb-run' is called by run.

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'subr-x)

(defvar lb-here (file-name-directory (or load-file-name buffer-file-name))
  "Where the tests are.")
(defvar lb-program (getenv "LANEBRIDGE_PROGRAM") "The server.")
(defvar lb-traffic (getenv "LANEBRIDGE_TRAFFIC")
  "The file that messages are written to, or nil.")
(defvar lb-patience (/ (string-to-number (or (getenv "LANEBRIDGE_PATIENCE_MS") "30000")) 1000.0)
  "How many seconds something is waited for.")
(defvar lb-dir nil "The session's folder.")
(defvar lb-work nil "The folder in it that is open.")
(defvar lb-url nil "Where the endpoint listens.")
(defvar lb-ended nil "How turns have ended, last first.")
(defvar lb-sessions 0 "How many sessions there were.")

(require 'lanebridge)
(require 'lanebridge-connection)
(require 'lanebridge-sync)
(require 'lanebridge-edit)

;;; Files

(defun lb-file (name)
  "The path of NAME in the work folder."
  (expand-file-name name lb-work))

(defun lb-write (path text)
  "Write TEXT, as UTF-8 if it is not bytes, to PATH."
  (make-directory (file-name-directory path) t)
  (let ((coding-system-for-write (if (multibyte-string-p text) 'utf-8-unix 'no-conversion)))
    (write-region text nil path nil 'quiet)))

(defun lb-read (name)
  "What is in the file NAME of the work folder, as UTF-8, or nil."
  (let ((path (lb-file name)))
    (when (file-exists-p path)
      (with-temp-buffer
        (let ((coding-system-for-read 'utf-8-unix))
          (insert-file-contents path))
        (buffer-string)))))

(defun lb-text (name)
  "What is in the buffer of the file NAME."
  (with-current-buffer (get-file-buffer (lb-file name))
    (save-restriction (widen) (buffer-substring-no-properties (point-min) (point-max)))))

;;; Waiting

(defun lb-picture ()
  "What there is to see, for a failure."
  (concat "messages:\n"
          (with-current-buffer (messages-buffer)
            (buffer-substring (max (point-min) (- (point-max) 2000)) (point-max)))
          (if (get-buffer "*lanebridge log*")
              (concat "log:\n" (with-current-buffer "*lanebridge log*" (buffer-string))))
          (mapconcat (lambda (buffer)
                       (with-current-buffer buffer
                         (format "--- %s\n%s" (buffer-name)
                                 (buffer-substring-no-properties
                                  (point-min) (min (point-max) (+ (point-min) 3000))))))
                     (cl-remove-if-not (lambda (buffer)
                                         (or (buffer-file-name buffer)
                                             (string-match-p "anebridge\\|tramp" (buffer-name buffer))))
                                       (buffer-list))
                     "\n")))

(defun lb-wait-until (what function)
  "Wait until FUNCTION gives something, and give that; WHAT says what for."
  (let ((until (+ (float-time) lb-patience)) value)
    (while (and (not (setq value (funcall function))) (< (float-time) until))
      (accept-process-output nil 0.01))
    (or value (error "Waited in vain for %s\n%s" what (lb-picture)))))

(defmacro lb-wait (what &rest body)
  "Wait until BODY gives something, and give that; WHAT says what for."
  (declare (indent 1) (debug t))
  `(lb-wait-until ,what (lambda () ,@body)))

(defun lb-pause (seconds)
  "Let what comes come for SECONDS."
  (let ((until (+ (float-time) seconds)))
    (while (< (float-time) until)
      (accept-process-output nil 0.01))))

;;; Steps of a recording, in short

(defun lb-rollout (name)
  "The beginning of a rollout that is chosen by NAME in the prompt."
  `(:rollout ,name :match (:text ,name)))

(defun lb-says (text &rest more)
  "A step that says TEXT; MORE are other members of it."
  `(:emit [(:type "message" :text ,text)] ,@more))

(defun lb-patches (label &rest lines)
  "A step that applies the patch of LINES, as the call LABEL."
  `(:emit [(:type "custom_tool_call" :call ,label :name "apply_patch"
            :input ,(mapconcat #'identity `("*** Begin Patch" ,@lines "*** End Patch") "\n"))]))

(defun lb-patch (label path old new)
  "A step that changes the line OLD of PATH to NEW, as the call LABEL."
  (lb-patches label (concat "*** Update File: " path) "@@" (concat "-" old) (concat "+" new)))

(defun lb-calls (label name &rest arguments)
  "A step that calls the function NAME with ARGUMENTS, as LABEL."
  `(:emit [(:type "function_call" :call ,label :name ,name :arguments ,arguments)]))

(defun lb-runs (label command)
  "A step that runs COMMAND, as the call LABEL."
  (lb-calls label "exec_command" :cmd command))

;;; Traffic

(defun lb--note (dir body)
  "Write BODY, a message going in or out (DIR) of the server, down."
  (let ((coding-system-for-write 'utf-8-unix))
    (write-region
     (concat (json-serialize (list :dir dir :session (concat lb-here "run")
                                   :pid lb-sessions :body body)
                             :null-object nil :false-object :json-false)
             "\n")
     nil lb-traffic 'append 'quiet)))

(defun lb--note-out (connection message)
  "Write MESSAGE of the server down, if CONNECTION is ours."
  (let ((body (and (lanebridge--connection-p connection) (copy-sequence message))))
    (cl-remf body :jsonrpc-json)
    ;; What was {} is nil by now.
    (when (and (plist-member body :params) (null (plist-get body :params)))
      (setq body (plist-put body :params lanebridge-empty)))
    (when body
      (lb--note "out" body))))

(cl-defmethod jsonrpc-connection-send :before ((_connection lanebridge--connection) &rest args)
  "Write what is sent by ARGS down."
  (when (and lb-traffic (not (lanebridge--later-p (plist-get args :result))))
    (let ((body (copy-sequence args)))
      (when (or (plist-member body :result) (plist-member body :error))
        (cl-remf body :method))
      (when (plist-get body :method)
        (setq body (plist-put body :method (format "%s" (plist-get body :method)))))
      (lb--note "in" (append '(:jsonrpc "2.0") body)))))

(when lb-traffic
  (advice-add 'jsonrpc-connection-receive :before #'lb--note-out))

;;; Sessions

(defun lb--start-endpoint (steps)
  "Start the endpoint, which plays STEPS."
  (let ((replay (expand-file-name "replay.jsonl" lb-dir)))
    (lb-write replay (concat (mapconcat #'json-serialize steps "\n") "\n"))
    (let ((process (make-process :name "endpoint" :buffer (generate-new-buffer " *endpoint*")
                                 :command (list lb-program "endpoint" "--listen" "127.0.0.1:0"
                                                "--engine" (concat "replay:" replay))
                                 :connection-type 'pipe :noquery t)))
      (set-process-sentinel process #'ignore)
      (setq lb-url
            (lb-wait "the endpoint to say where it listens"
              (with-current-buffer (process-buffer process)
                (goto-char (point-min))
                (and (re-search-forward "ws://[^ \n]+" nil t) (match-string 0)))))
      process)))

(defun lb--turn-completed (params)
  "A turn has ended, as PARAMS say."
  (push (concat (plist-get params :status)
                (if (plist-get params :error) (format ": %s" (plist-get params :error)) ""))
        lb-ended))

(defun lb--close (endpoint)
  "End the server and ENDPOINT, and forget everything."
  (setq lanebridge--failures nil)
  (let ((kill-buffer-query-functions nil) (lanebridge-global-mode-hook nil))
    (lanebridge-global-mode -1)
    (dolist (entry lanebridge--servers)
      (let ((lanebridge--server (cdr entry)))
        (unless (eq (lanebridge-server-state (cdr entry)) 'ended)
          (lanebridge-stop))))
    (setq lanebridge--servers nil)
    (delete-process endpoint)
    (dolist (buffer (buffer-list))
      (when (or (buffer-file-name buffer) (string-match-p "endpoint\\|[Ll]anebridge" (buffer-name buffer)))
        (with-current-buffer buffer (set-buffer-modified-p nil))
        (kill-buffer buffer)))))

(defun lb-call-with-session (wanted body)
  "Call BODY in a session of WANTED, a plist of :files, :replay, :settings, :open."
  (let* ((lb-dir (file-name-as-directory (file-truename (make-temp-file "s" t))))
         (lb-work (file-name-as-directory (expand-file-name "work" lb-dir)))
         (default-directory lb-work)
         (process-environment
          (append (list (concat "LANEBRIDGE_STATE=" lb-dir "state")
                        (concat "LANEBRIDGE_CONFIG=" lb-dir "no-config.json")
                        (concat "HOME=" lb-dir "home")
                        (concat "XDG_CACHE_HOME=" lb-dir "cache")
                        (concat "OPENAI_API_KEY=" (or (plist-get wanted :key) "none-needed")))
                  process-environment))
         (lb-ended nil)
         (lb-sessions (cl-incf lb-sessions))
         (make-backup-files nil)
         endpoint)
    (dolist (name '("work/.git" "state" "home" "cache"))
      (make-directory (expand-file-name name lb-dir) t))
    (set-file-modes (expand-file-name "state" lb-dir) #o700)
    (pcase-dolist (`(,name . ,text) (plist-get wanted :files))
      (lb-write (lb-file name) text))
    (setq endpoint (lb--start-endpoint (or (plist-get wanted :replay)
                                           (list (lb-says "Nothing was recorded for this.")))))
    (let ((lanebridge-command (list lb-program "lsp"))
          (lanebridge-trusted t)
          (lanebridge-settings (append (list :endpoint (list :url lb-url) :warm "never")
                                       (plist-get wanted :settings))))
      (unwind-protect
          (save-window-excursion
            (if (plist-get wanted :open) (lb-open (plist-get wanted :open)))
            (funcall body))
        (lb--close endpoint)
        (delete-directory lb-dir t)))))

(lanebridge-on "lanebridge/turn/completed" #'lb--turn-completed)

(defmacro lb-session (wanted &rest body)
  "Evaluate BODY in a session of WANTED, a list as of `lb-call-with-session'."
  (declare (indent 1) (debug t))
  `(lb-call-with-session (list ,@wanted) (lambda () ,@body)))

(defun lb-open (name)
  "Open the file NAME in the selected window, known to the server."
  (switch-to-buffer (find-file-noselect (lb-file name) t))
  (lanebridge-mode)
  (lb-wait "the server to have the file" lanebridge-sync--document))

(defun lb-uri (name)
  "The URI of the file NAME."
  (lanebridge-file-uri (lb-file name)))

(defun lb-ask (text)
  "Ask TEXT."
  (lanebridge-execute "ask" (list :prompt text)))

(defun lb-turn (&optional nth)
  "Wait until the NTH turn has ended, from 1, and say how."
  (let ((nth (or nth 1)))
    (lb-wait "the turn to end" (>= (length lb-ended) nth))
    (nth (- (length lb-ended) nth) lb-ended)))

(defun lb-call (method params)
  "What is answered to the server's request METHOD with PARAMS."
  (let (answer)
    (lanebridge--with-server (lanebridge-server)
      (funcall (gethash method lanebridge--on-request) params
               (lambda (result &optional problem)
                 (setq answer (list (if problem (list :error problem) result))))))
    (car (lb-wait "the answer" answer))))

(defun lb-keys (keys)
  "Press KEYS, as `kbd' reads them, in the selected window."
  (execute-kbd-macro (kbd keys)))

(defun lb-known-text (uri)
  "What the server has as the text of URI, as `lanebridge-sync' told it."
  (lanebridge-request-sync "lanebridge/status/get" nil)
  (gethash uri lb-told))

(defvar lb-told (make-hash-table :test #'equal)
  "What was told of each document, played by `lb--play'.")

(defun lb-note (format &rest args)
  "Print FORMAT with ARGS below the case."
  (princ (concat "        " (apply #'format format args) "\n")))

;;; Running

;; In batch an error in a sentinel, somebody's, would end Emacs.
(setq command-error-function
      (lambda (data context _caller)
        (message "%s%s" context (error-message-string data))))

(defun lb--say-result (test result seconds)
  "Print how TEST ended, with RESULT, in SECONDS."
  (let ((name (format "%s (%d ms)" (ert-test-name test) (* 1000 seconds))))
    (cond
     ((ert-test-skipped-p result) (princ (format "skipped %s\n" name)))
     ((ert-test-passed-p result) (princ (format "ok      %s\n" name)))
     (t (princ (format "FAILED  %s\n%s\n%s\n" name
                       (let ((print-length 20) (print-level 6))
                         (format "%s" (ert-test-result-with-condition-condition result)))
                       (let ((frames (ert-test-result-with-condition-backtrace result)))
                         (if (getenv "LANEBRIDGE_BACKTRACE") (format "%S" frames) ""))))))))

(defun lb-run ()
  "Run the cases whose names match the first argument; exit with 1 if one fails."
  (let ((pattern (or (pop command-line-args-left) ""))
        (passed 0) (failed 0) (skipped 0) began)
    (setq command-line-args-left nil)
    (dolist (file (directory-files (expand-file-name "cases" lb-here) t "\\.el\\'"))
      (load file nil t t))
    (dolist (test (ert-select-tests pattern t))
      (setq began (float-time))
      (let* ((inhibit-message (not (getenv "LANEBRIDGE_VERBOSE")))
             (result (ert-run-test test)))
        (cond ((ert-test-skipped-p result) (cl-incf skipped))
              ((ert-test-passed-p result) (cl-incf passed))
              (t (cl-incf failed)))
        (lb--say-result test result (- (float-time) began))))
    (princ (format "counted: emacs-%d %d %d\n" emacs-major-version passed failed))
    (princ (format "%d passed, %d failed, %d skipped in Emacs %s\n"
                   passed failed skipped emacs-version))
    (kill-emacs (if (> failed 0) 1 0))))

(provide 'harness)
;;; harness.el ends here
